"""What clients receive."""

import uuid
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

# The driver's own class of UUIDs takes pydantic's serializer, which looks for its type, five times as long as `str`.
Id = Annotated[
    uuid.UUID,
    PlainSerializer(str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "uuid"}),
    Field(examples=["0d5c1c9e-6f0b-4c55-9a3b-52c1f7a7e3d4"]),
]
Email = Annotated[str, Field(examples=["ana@example.com"])]
Time = Annotated[datetime, Field(examples=["2030-06-21T16:00:00Z"])]
UnixTime = Annotated[int, Field(examples=[1_908_288_000])]


class Response(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class BrowserTokenResponse(Response):
    """Times in Unix seconds. The refresh token is in a cookie."""

    token_type: Literal["Bearer"] = "Bearer"
    access_token: Annotated[str, Field(examples=["eyJhbGciOiJIUzI1NiIs…"])]
    issued_at: UnixTime
    expires_at: UnixTime
    expires_in: Annotated[int, Field(description="Seconds (RFC 6749 section 5.1).", examples=[900])]
    refresh_token_issued_at: UnixTime
    refresh_token_expires_at: UnixTime


class TokenResponse(BrowserTokenResponse):
    """Times in Unix seconds."""

    refresh_token: Annotated[str, Field(examples=["QbX8yq3u…"])]


class SessionResponse(Response):
    id: Id
    created_at: Time
    last_used_at: Time
    expires_at: Time
    user_agent: Annotated[str | None, Field(examples=["Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0"])]
    login_method: Annotated[str, Field(examples=["password"])]
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


class KeySetResponse(Response):
    keys: Annotated[
        list[dict[str, str]],
        Field(
            examples=[[{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2…", "y": "x_FEzRu9…", "alg": "ES256", "use": "sig"}]]
        ),
    ]


class ServerMetadataResponse(Response):
    """RFC 8414 section 2."""

    issuer: Annotated[str, Field(examples=["https://api.example.com"])]
    token_endpoint: Annotated[str, Field(examples=["https://api.example.com/auth/access-token"])]
    token_endpoint_auth_methods_supported: list[str]
    revocation_endpoint: Annotated[str, Field(examples=["https://api.example.com/auth/revoke"])]
    revocation_endpoint_auth_methods_supported: list[str] = ["none"]
    jwks_uri: Annotated[str, Field(examples=["https://api.example.com/.well-known/jwks.json"])]
    grant_types_supported: Annotated[list[str], Field(examples=[["password", "refresh_token"]])]
    scopes_supported: list[str]
    response_types_supported: list[str] = []


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


class OAuthErrorResponse(ErrorResponse):
    """RFC 6749 section 5.2: `error` is a code for the client's library, `detail` is for people."""

    error: str


class OAuthValidationErrorResponse(Response):
    detail: list[ValidationProblem]
    error: Literal["invalid_request"]
