"""Codes for applications that aren't pages: they sign in in the system's browser, and get tokens for a code (RFC 8252).

No token is in an address that other applications may read, and PKCE makes the code useless to them.
"""

import hmac
from typing import Final

from fastapi import APIRouter

from app.api.deps import Autocommit, CurrentClient
from app.api.errors import BODY, RATE_LIMITED
from app.api.oauth_errors import OAuthError, OAuthRoute, Refusal, with_codes
from app.auth.accounts import Account, find_account
from app.auth.login import finish_login
from app.auth.rate_limits import hit, limits_of_client
from app.features.sign_in.flow import CODE_LIFETIME, LIMIT, AppCode, challenge_of, seal, spend, unseal
from app.features.sign_in.providers import Provider
from app.features.sign_in.schemas import CodeExchangeRequest
from app.schemas.responses import TokenResponse

router = APIRouter(route_class=OAuthRoute)

INVALID_CODE: Final = Refusal("invalid_grant", "Invalid or expired code")


def code_for(account: Account, provider: Provider, code_challenge: str) -> str:
    code = AppCode(provider=provider.id, user_id=account.id, account=_state(account), code_challenge=code_challenge)
    return seal(code)


@router.post("/providers/exchange", responses=with_codes(BODY | RATE_LIMITED, INVALID_CODE))
async def exchange_sign_in_code(
    exchange: CodeExchangeRequest, client: CurrentClient, autocommit: Autocommit
) -> TokenResponse:
    """Exchange the code of a sign-in, once, within a minute, for tokens."""
    await hit(autocommit, limits_of_client("sign-in code", client, *LIMIT))
    code = unseal(AppCode, exchange.code, CODE_LIFETIME)
    if code is None or not hmac.compare_digest(challenge_of(exchange.code_verifier), code.code_challenge):
        raise OAuthError(INVALID_CODE)
    account = await find_account(autocommit, code.user_id, client) if await spend(autocommit, code) else None
    if account is None or _state(account) != code.account:
        raise OAuthError(INVALID_CODE)
    tokens = await finish_login(autocommit, account, client, code.provider)
    if tokens is None:
        raise OAuthError(INVALID_CODE)
    return TokenResponse.model_validate(tokens)


def _state(account: Account) -> list[str]:
    """What ends a code when it changes."""
    return [str(account.password_changed_at), str(account.factors_changed_at)]
