"""What crosses the wire of sign-in with others."""

from typing import Annotated

from pydantic import BaseModel, Field

from app.features.sign_in.return_to import MAX_LENGTH
from app.schemas.requests import OPTIONAL, JsonRequest, NewPassword
from app.schemas.responses import Email, Id, Response, Time

# RFC 7636 sections 4.1 and 4.2; a SHA-256 has 43 characters.
CodeChallenge = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-]{43}$", examples=["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"])
]
CodeVerifier = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9._~-]{43,128}$", repr=False, examples=["dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"]),
]
ReturnTo = Annotated[str, Field(max_length=MAX_LENGTH, examples=["/account"])]
_ProviderId = Annotated[str, Field(examples=["google"])]


class SignInQuery(BaseModel):
    return_to: ReturnTo = ""
    code_challenge: CodeChallenge | None = None


class ProviderAnswer(BaseModel):
    """RFC 6749 section 4.1.2 and RFC 9207; providers add parameters of their own, which are ignored."""

    state: Annotated[str, Field(max_length=128)] = ""
    code: Annotated[str, Field(max_length=4096, repr=False)] = ""
    iss: Annotated[str, Field(max_length=512)] = ""
    error: Annotated[str, Field(max_length=512)] = ""


class CodeExchangeRequest(JsonRequest):
    code: Annotated[str, Field(max_length=2048, repr=False, examples=["gAAAAABp…"])]
    code_verifier: CodeVerifier


class ReturnRequest(JsonRequest):
    return_to: Annotated[ReturnTo, OPTIONAL] = ""


class FirstPasswordRequest(JsonRequest):
    new_password: NewPassword


class ProviderResponse(Response):
    id: _ProviderId
    name: Annotated[str, Field(examples=["Google"])]


class LocationResponse(Response):
    location: Annotated[str, Field(examples=["https://accounts.google.com/o/oauth2/v2/auth?client_id=…"])]


class IdentityResponse(Response):
    """`email` is for people to recognise it; it need not be the account's."""

    id: Id
    provider: _ProviderId
    email: Email | None
    created_at: Time
    last_used_at: Time | None


class PasswordResponse(Response):
    is_set: bool
