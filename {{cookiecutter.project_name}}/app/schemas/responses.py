"""What clients get."""

import uuid
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Response(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class TokenResponse(Response):
    """Times in Unix seconds."""

    token_type: Literal["Bearer"] = "Bearer"
    access_token: str
    issued_at: int
    expires_at: int
    refresh_token: str
    refresh_token_issued_at: int
    refresh_token_expires_at: int


class SessionResponse(Response):
    id: uuid.UUID
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    user_agent: str | None
    current: bool


class UserResponse(Response):
    id: uuid.UUID
    email: str


class UserAdminResponse(UserResponse):
    is_active: bool
    is_superuser: bool
    created_at: datetime
    updated_at: datetime


class PetResponse(Response):
    id: uuid.UUID
    pet_name: str
    user_id: uuid.UUID


class AboutResponse(Response):
    name: str
    version: str
    description: str


class HealthResponse(Response):
    status: Literal["ok", "failed"]
    checks: dict[str, str] = {}


class ErrorResponse(Response):
    detail: str


class ValidationProblem(Response):
    type: str
    loc: list[str | int]
    msg: str


class ValidationErrorResponse(Response):
    detail: list[ValidationProblem]
