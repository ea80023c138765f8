"""The token endpoint (RFC 6749) and revocation (RFC 7009): what any OAuth client can speak to."""

from typing import Annotated

from fastapi import APIRouter, Form, Response

from app.api.deps import Autocommit, CurrentClient
from app.api.errors import BODY, RATE_LIMITED, UNAVAILABLE
from app.api.grants import INCORRECT_LOGIN, INCORRECT_REFRESH_TOKEN, log_in, refresh
from app.api.oauth_errors import OAuthError, OAuthRoute, Refusal, with_codes
from app.auth.sessions import revoke
from app.schemas.requests import RevocationForm, TokenForm
from app.schemas.responses import TokenResponse

login_router = APIRouter(route_class=OAuthRoute)
router = APIRouter(route_class=OAuthRoute)

UNSUPPORTED_GRANT_TYPE = Refusal("unsupported_grant_type", "Unsupported grant type")


@login_router.post(
    "/access-token",
    responses=with_codes(BODY | RATE_LIMITED, INCORRECT_LOGIN, INCORRECT_REFRESH_TOKEN, UNSUPPORTED_GRANT_TYPE),
)
async def login_access_token(
    form: Annotated[TokenForm, Form()], client: CurrentClient, autocommit: Autocommit
) -> TokenResponse:
    """Log in with an email address and a password, or exchange a refresh token, once, for new tokens.

    Clients have no secret: a `client_id` and an `Authorization: Basic` header are ignored.
    """
    match form.grant_type:
        case "password":
            tokens = await log_in(autocommit, form.username, form.password, client)
        case "refresh_token":
            tokens = await refresh(autocommit, form.refresh_token, client)
        case _:
            raise OAuthError(UNSUPPORTED_GRANT_TYPE)
    return TokenResponse.model_validate(tokens)


@router.post("/revoke", response_class=Response, responses=with_codes(BODY | UNAVAILABLE))
async def revoke_token(form: Annotated[RevocationForm, Form()], client: CurrentClient, autocommit: Autocommit) -> None:
    """End the session of a refresh token or an access token; a token that nobody issued is as good as ended."""
    await revoke(autocommit, form.token, client)
