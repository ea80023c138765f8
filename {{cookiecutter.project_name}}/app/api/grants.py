"""The grants of OAuth 2.0, for whoever hands out tokens: the token endpoint, and the routes for browsers."""

from typing import Annotated

from fastapi import Depends, Header, status

from app.api.errors import (
    EMAIL_NOT_VERIFIED,
    INCORRECT_EMAIL_OR_PASSWORD,
    INVALID_CODE,
    INVALID_REFRESH_TOKEN,
    SECOND_FACTOR_REQUIRED,
)
from app.api.oauth import OAuthError
from app.auth.audit import audit
from app.auth.known_clients import remember_client
from app.auth.login import Account, authenticate, find_account
from app.auth.second_factor import check_code, create_mfa_token, is_mfa_token
from app.auth.sessions import EmailNotVerifiedError, LoginMethod, Tokens, begin_session, spend_refresh_token
from app.core.account_tokens import account_of
from app.core.database import Database
from app.models import USER_AGENT_MAX_LENGTH


async def get_device(user_agent: Annotated[str | None, Header(include_in_schema=False)] = None) -> str | None:
    return user_agent and user_agent.replace("\0", "")[:USER_AGENT_MAX_LENGTH]


Device = Annotated[str | None, Depends(get_device)]


async def log_in(database: Database, email: str, password: str, client_ip: str, device: str | None) -> Tokens:
    """The tokens of a new session. Raises OAuthError."""
    account = await authenticate(database, email, password, client_ip)
    if account and account.second_factor_since:
        audit("password_accepted", client_ip, account.id)
        mfa_token = create_mfa_token(account)
        raise OAuthError("mfa_required", SECOND_FACTOR_REQUIRED, status.HTTP_403_FORBIDDEN, mfa_token=mfa_token)
    tokens = account and await begin(database, account, device, client_ip, "password")
    if tokens is None:  # the same for an unknown user, a wrong password and an inactive user
        raise OAuthError("invalid_grant", INCORRECT_EMAIL_OR_PASSWORD)
    return tokens


async def log_in_with_code(database: Database, mfa_token: str, code: str, client_ip: str, device: str | None) -> Tokens:
    """The same, with the code that an mfa_token was given for. Raises OAuthError and RateLimitedError."""
    user_id = account_of(mfa_token)
    account = user_id and await find_account(database, user_id, client_ip)
    if not account or not is_mfa_token(mfa_token, account):
        raise OAuthError("invalid_grant", INVALID_CODE)
    method = await check_code(database, account.id, code, client_ip)
    tokens = method and await begin(database, account, device, client_ip, method)
    if tokens is None:
        raise OAuthError("invalid_grant", INVALID_CODE)
    await remember_client(database, account.id, client_ip)
    return tokens


async def begin(
    database: Database, account: Account, device: str | None, client_ip: str, method: LoginMethod
) -> Tokens | None:
    """Begin a session; None if the account has changed since it was looked up. Raises OAuthError."""
    try:
        tokens = await begin_session(database, account, device, client_ip, method)
    except EmailNotVerifiedError:
        if method == "password":
            audit("password_accepted", client_ip, account.id)
        raise OAuthError("email_not_verified", EMAIL_NOT_VERIFIED, status.HTTP_403_FORBIDDEN) from None
    if tokens:
        audit("login_succeeded", client_ip, account.id)
    return tokens


async def refresh(database: Database, refresh_token: str, client_ip: str) -> Tokens:
    """The next tokens of a session. Raises OAuthError."""
    tokens = await spend_refresh_token(database, refresh_token, client_ip)
    if tokens is None:
        raise OAuthError("invalid_grant", INVALID_REFRESH_TOKEN)
    return tokens
