"""A login of an account with a second factor: it stops after the password, and goes on with a code."""

from typing import Final

from app.api.deps import Autocommit, CurrentClient
from app.api.errors import unauthorized
from app.api.oauth_errors import OAuthError, Refusal
from app.auth.accounts import Account, find_account
from app.auth.caller import Caller
from app.auth.clients import Client
from app.auth.login import finish_login
from app.auth.sessions import Tokens
from app.core.account_tokens import account_of
from app.core.database import Database
from app.features.second_factor.schemas import MfaRequiredResponse, SecondFactorRequest
from app.features.second_factor.totp import check_code, create_mfa_token, has_second_factor, is_mfa_token

INCORRECT_CODE: Final = Refusal("invalid_grant", "Invalid code")
MFA_REQUIRED: Final = Refusal("mfa_required", "Second factor required", 403, MfaRequiredResponse)


async def stop_without_code(database: Database, account: Account, _: Client, method: str) -> None:
    """A login step: a password isn't enough. Raises the 403, with the token that a code goes with."""
    if method == "password" and await has_second_factor(database, account.id):
        raise OAuthError(MFA_REQUIRED, mfa_token=create_mfa_token(account))


async def log_in_with_second_factor(
    login: SecondFactorRequest, client: CurrentClient, autocommit: Autocommit
) -> Tokens:
    """Finish a login whose response was `mfa_required`, with a code of the app or a recovery code."""
    user_id = account_of(login.mfa_token)
    account = user_id and await find_account(autocommit, user_id, client)
    if not account or not is_mfa_token(login.mfa_token, account):
        raise OAuthError(INCORRECT_CODE)
    method = await check_code(autocommit, account, login.code, client)
    tokens = method and await finish_login(autocommit, account, client, method)
    if not tokens:
        raise OAuthError(INCORRECT_CODE)
    return tokens


async def check_own_code(database: Database, user: Caller, code: str, client: Client) -> Account:
    """A proof for re-authentication: the caller's account, if this is its code. Raises the 400, and RateLimitedError."""
    account = await find_account(database, user.id, client)
    if account is None:
        raise unauthorized(token_was_sent=True)
    if await check_code(database, account, code, client) is None:
        raise OAuthError(INCORRECT_CODE)
    return account
