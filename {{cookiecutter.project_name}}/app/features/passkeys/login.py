"""A login with a passkey, without a name or a password."""

from datetime import timedelta
from typing import Final

from fastapi import APIRouter

from app.api.deps import Autocommit, CurrentClient
from app.api.oauth_errors import OAuthError, OAuthRoute, Refusal
from app.auth.login import finish_login
from app.auth.rate_limits import hit, limits_of_client
from app.auth.sessions import Tokens
from app.features.passkeys.ceremonies import use_passkey
from app.features.passkeys.challenges import CHALLENGE_LIFETIME, create_challenge
from app.features.passkeys.schemas import PasskeyLoginRequest, RequestOptionsResponse
from app.features.passkeys.settings import passkey_settings

INCORRECT_PASSKEY: Final = Refusal("invalid_grant", "Invalid passkey")
TIMEOUT: Final = int(CHALLENGE_LIFETIME / timedelta(milliseconds=1))

options_router = APIRouter(route_class=OAuthRoute)


@options_router.post("/passkeys/login/options")
async def begin_passkey_login() -> RequestOptionsResponse:
    """Get what a page needs to use a passkey. Nobody sends a name: the browser knows this web site's passkeys."""
    return RequestOptionsResponse(
        challenge=create_challenge("passkey login"),
        timeout=TIMEOUT,
        rp_id=passkey_settings.rp_id or "",
        allow_credentials=[],
    )


async def log_in_with_passkey(assertion: PasskeyLoginRequest, client: CurrentClient, autocommit: Autocommit) -> Tokens:
    """Log in with a passkey; no second factor is asked for."""
    await hit(autocommit, limits_of_client("passkey login", client, 600, timedelta(seconds=2)))
    account = await use_passkey(autocommit, assertion, client)
    tokens = account and await finish_login(autocommit, account, client, "passkey")
    if not tokens:
        raise OAuthError(INCORRECT_PASSKEY)
    return tokens
