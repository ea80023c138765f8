"""What clients get."""

import uuid
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[uuid.UUID, Field(examples=["0d5c1c9e-6f0b-4c55-9a3b-52c1f7a7e3d4"])]
Email = Annotated[str, Field(examples=["ana@example.com"])]
Time = Annotated[datetime, Field(examples=["2030-06-21T16:00:00Z"])]
UnixTime = Annotated[int, Field(examples=[1_908_288_000])]


class Response(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class TokenResponse(Response):
    """Times in Unix seconds."""

    token_type: Literal["Bearer"] = "Bearer"
    access_token: Annotated[str, Field(examples=["eyJhbGciOiJIUzI1NiIs…"])]
    issued_at: UnixTime
    expires_at: UnixTime
    refresh_token: Annotated[str, Field(examples=["QbX8yq3u…"])]
    refresh_token_issued_at: UnixTime
    refresh_token_expires_at: UnixTime


class SessionResponse(Response):
    id: Id
    created_at: Time
    last_used_at: Time
    expires_at: Time
    user_agent: Annotated[str | None, Field(examples=["Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0"])]
    current: bool


class UserResponse(Response):
    id: Id
    email: Email


class UserAdminResponse(UserResponse):
    is_active: bool
    is_superuser: bool
    email_verified_at: Time | None
    created_at: Time
    updated_at: Time


class PetResponse(Response):
    id: Id
    pet_name: Annotated[str, Field(examples=["Rex"])]
    user_id: Id


class AboutResponse(Response):
    name: Annotated[str, Field(examples=["api"])]
    version: Annotated[str, Field(examples=["0.1.0"])]
    description: str


class HealthResponse(Response):
    status: Literal["ok", "failed"]
    checks: Annotated[dict[str, str], Field(examples=[{"database": "ok"}])] = {}


class ErrorResponse(Response):
    detail: str


class ValidationProblem(Response):
    type: str
    loc: list[str | int]
    msg: str


class ValidationErrorResponse(Response):
    detail: list[ValidationProblem]
