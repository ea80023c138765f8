"""The token endpoint (RFC 6749) and revocation (RFC 7009): what any OAuth client can speak to."""

from typing import Annotated

from fastapi import APIRouter, Form, Response

from app.api.deps import Autocommit, ClientIp
from app.api.errors import (
    BODY,
    EMAIL_NOT_VERIFIED,
    INCORRECT_EMAIL_OR_PASSWORD,
    INVALID_REFRESH_TOKEN,
    LOGIN_UNFINISHED,
    RATE_LIMITED,
    SECOND_FACTOR_REQUIRED,
    UNAVAILABLE,
    UNSUPPORTED_GRANT_TYPE,
    body_refused,
)
from app.api.grants import Device, log_in, refresh
from app.api.oauth import OAuthError, OAuthRoute, with_codes
from app.auth.sessions import revoke
from app.schemas.requests import RevocationForm, TokenForm
from app.schemas.responses import TokenResponse

router = APIRouter(route_class=OAuthRoute)

GRANT_REFUSED = with_codes(
    body_refused(INCORRECT_EMAIL_OR_PASSWORD, INVALID_REFRESH_TOKEN, UNSUPPORTED_GRANT_TYPE)
    | LOGIN_UNFINISHED
    | RATE_LIMITED,
    {
        EMAIL_NOT_VERIFIED: "email_not_verified",
        INCORRECT_EMAIL_OR_PASSWORD: "invalid_grant",
        INVALID_REFRESH_TOKEN: "invalid_grant",
        SECOND_FACTOR_REQUIRED: "mfa_required",
        UNSUPPORTED_GRANT_TYPE: "unsupported_grant_type",
    },
)


@router.post("/access-token", responses=GRANT_REFUSED)
async def login_access_token(
    form: Annotated[TokenForm, Form()], client_ip: ClientIp, device: Device, autocommit: Autocommit
) -> TokenResponse:
    """Log in with an e-mail address and a password, or change a refresh token, once, for new tokens.

    Clients have no secret: a `client_id` and an `Authorization: Basic` header are ignored.
    """
    match form.grant_type:
        case "password":
            tokens = await log_in(autocommit, form.username, form.password, client_ip, device)
        case "refresh_token":
            tokens = await refresh(autocommit, form.refresh_token, client_ip)
        case _:
            raise OAuthError("unsupported_grant_type", UNSUPPORTED_GRANT_TYPE)
    return TokenResponse.model_validate(tokens)


@router.post("/revoke", response_class=Response, responses=with_codes(BODY | UNAVAILABLE))
async def revoke_token(form: Annotated[RevocationForm, Form()], client_ip: ClientIp, autocommit: Autocommit) -> None:
    """End the session of a refresh token or an access token; a token that nobody issued is as good as ended."""
    await revoke(autocommit, form.token, client_ip)
