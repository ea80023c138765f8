"""What crosses the wire of API keys and roles."""

import uuid
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints
from pydantic_core import PydanticCustomError

from app.features.api_keys.keys import start_of
from app.features.api_keys.models import KEY_NAME_MAX_LENGTH, ROLE_NAME_MAX_LENGTH
from app.features.api_keys.roles import ROLES
from app.schemas.requests import OPTIONAL, WITHOUT_NUL, JsonRequest
from app.schemas.responses import Id, Response, Time

MAX_SCOPES = 100
MAX_DAYS = 3650

Name = Annotated[
    str, StringConstraints(min_length=1, max_length=KEY_NAME_MAX_LENGTH, pattern=WITHOUT_NUL), Field(examples=["CI"])
]
Scope = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=WITHOUT_NUL)]
Scopes = Annotated[list[Scope], Field(max_length=MAX_SCOPES, examples=[["account"]])]


class ApiKeyCreateRequest(JsonRequest):
    """Without `scopes`, the key gets all that its owner has now; without `expires_in_days`, it doesn't expire."""

    name: Name
    scopes: Annotated[Scopes | None, OPTIONAL] = None
    expires_in_days: Annotated[int | None, Field(ge=1, le=MAX_DAYS, examples=[90]), OPTIONAL] = None


class ApiKeyCreatedResponse(Response):
    """The key is shown this once."""

    id: Id
    name: Name
    key: Annotated[str, Field(examples=["api_0d5c1c9e6f0b4c559a3b52c1f7a7e3d4_8f3a…_1c291ca3"])]
    scopes: Annotated[list[str], Field(examples=[["account"]])]
    expires_at: Time | None


class ApiKeyResponse(Response):
    id: Id
    name: Name
    start: Annotated[str, Field(examples=[start_of(uuid.UUID("0d5c1c9e-6f0b-4c55-9a3b-52c1f7a7e3d4"))])]
    scopes: Annotated[list[str], Field(examples=[["account"]])]
    created_at: Time
    last_used_at: Time | None
    expires_at: Time | None


class ClientCredentialsForm(BaseModel):
    """What `client_credentials` adds to the form (RFC 6749 sections 2.3.1 and 4.4.2)."""

    client_id: Annotated[
        str,
        Field(description="The id of an API key.", examples=["0d5c1c9e-6f0b-4c55-9a3b-52c1f7a7e3d4"]),
        OPTIONAL,
    ] = ""
    client_secret: Annotated[
        str,
        Field(repr=False, description="The API key.", examples=["api_0d5c1c9e6f0b4c559a3b52c1f7a7e3d4_8f3a…"]),
        OPTIONAL,
    ] = ""
    scope: Annotated[str, Field(description="Scopes, separated by spaces.", examples=["account"]), OPTIONAL] = ""


class ClientTokenResponse(Response):
    """RFC 6749 section 4.4.3: without a refresh token, as the key gets the next one."""

    token_type: Literal["Bearer"] = "Bearer"
    access_token: Annotated[str, Field(examples=["eyJhbGciOiJIUzI1NiIs…"])]
    expires_in: Annotated[int, Field(description="Seconds.", examples=[900])]
    scope: Annotated[str, Field(examples=["account"])]


def _known(role: str) -> str:
    if role not in ROLES:
        raise PydanticCustomError("unknown_role", "Value is no role; there are: {roles}", {"roles": ", ".join(ROLES)})
    return role


Role = Annotated[str, StringConstraints(max_length=ROLE_NAME_MAX_LENGTH), AfterValidator(_known)]


class RolesRequest(JsonRequest):
    roles: Annotated[list[Role], Field(max_length=100, examples=[["support"]])]


class RolesResponse(Response):
    roles: Annotated[list[str], Field(examples=[["support"]])]
