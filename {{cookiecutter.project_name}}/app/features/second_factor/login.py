"""A login to an account with a second factor stops after the password, and goes on with a code."""

import time
from datetime import timedelta
from typing import Final

from fastapi import HTTPException, status

from app.api.deps import Autocommit, CurrentClient
from app.api.oauth_errors import OAuthError, Refusal
from app.auth.accounts import Account, find_account
from app.auth.clients import Client
from app.auth.login import finish_login, strong_methods
from app.auth.sessions import Tokens
from app.core.account_tokens import account_of, create_account_token, is_genuine
from app.core.database import Database
from app.features.second_factor.schemas import MfaRequiredResponse, SecondFactorRequest
from app.features.second_factor.totp import check_code, has_second_factor

INCORRECT_CODE: Final = Refusal("invalid_grant", "Invalid code")
MFA_REQUIRED: Final = Refusal("mfa_required", "Second factor required", 403, MfaRequiredResponse)


async def stop_without_code(database: Database, account: Account, _: Client, method: str) -> None:
    """A login step: where a second factor is set up, a weaker login isn't enough. Raises the 403, with an MFA token."""
    if method not in strong_methods and await has_second_factor(database, account.id):
        raise OAuthError(MFA_REQUIRED, mfa_token=create_mfa_token(account))


async def log_in_with_second_factor(
    login: SecondFactorRequest, client: CurrentClient, autocommit: Autocommit
) -> Tokens:
    """Finish a login whose response was `mfa_required`, with a code of the app or a recovery code."""
    user_id = account_of(login.mfa_token)
    account = user_id and await find_account(autocommit, user_id, client)
    if not account or not is_mfa_token(login.mfa_token, account):
        raise OAuthError(INCORRECT_CODE)
    method = await check_code(autocommit, "login", account, login.code, client)
    tokens = method and await finish_login(autocommit, account, client, method)
    if not tokens:
        raise OAuthError(INCORRECT_CODE)
    return tokens


async def check_own_code(database: Database, account: Account, code: str, client: Client) -> None:
    """A proof for re-authentication: a code of the caller's account. Raises the 400, and RateLimitedError."""
    if await check_code(database, "re-authentication", account, code, client) is None:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, INCORRECT_CODE.detail)


MFA_TOKEN_LIFETIME: Final = timedelta(minutes=5)


def create_mfa_token(account: Account) -> str:
    """What a client gets for the right password: together with a code it logs in, alone it does nothing.

    A new password or second factor ends it.
    """
    expires_at = time.time() + MFA_TOKEN_LIFETIME.total_seconds()
    return create_account_token("MFA token", account.id, expires_at, _state(account))


def is_mfa_token(token: str, account: Account) -> bool:
    """Whether the token was made for this account in its present state."""
    return is_genuine(token, "MFA token", _state(account))


def _state(account: Account) -> list[object]:
    """What ends an MFA token when it changes."""
    return [account.id, account.password_changed_at, account.factors_changed_at]
