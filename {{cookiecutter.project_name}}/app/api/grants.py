"""The grants of OAuth 2.0, for whoever hands out tokens: the token endpoint, and the routes for browsers."""

from typing import Annotated

from fastapi import Depends, Header, status

from app.api.errors import EMAIL_NOT_VERIFIED, INCORRECT_EMAIL_OR_PASSWORD, INVALID_REFRESH_TOKEN
from app.api.oauth import OAuthError
from app.auth.audit import audit
from app.auth.login import authenticate
from app.auth.sessions import EmailNotVerifiedError, Tokens, begin_session, spend_refresh_token
from app.core.config import settings
from app.core.database import Database
from app.models import USER_AGENT_MAX_LENGTH


async def get_device(user_agent: Annotated[str | None, Header(include_in_schema=False)] = None) -> str | None:
    return user_agent and user_agent.replace("\0", "")[:USER_AGENT_MAX_LENGTH]


Device = Annotated[str | None, Depends(get_device)]


async def log_in(database: Database, email: str, password: str, client_ip: str, device: str | None) -> Tokens:
    """The tokens of a new session. Raises OAuthError."""
    account = await authenticate(database, email, password, client_ip)
    try:
        tokens = account and await begin_session(database, account, device, client_ip)
    except EmailNotVerifiedError:
        if settings.registration == "discreet":  # a registration must not reveal an older account
            raise OAuthError("invalid_grant", INCORRECT_EMAIL_OR_PASSWORD) from None
        raise OAuthError("email_not_verified", EMAIL_NOT_VERIFIED, status.HTTP_403_FORBIDDEN) from None
    if account is None or tokens is None:  # the same for an unknown user, a wrong password and an inactive user
        raise OAuthError("invalid_grant", INCORRECT_EMAIL_OR_PASSWORD)
    audit("login_succeeded", client_ip, account.id)
    return tokens


async def refresh(database: Database, refresh_token: str, client_ip: str) -> Tokens:
    """The next tokens of a session. Raises OAuthError."""
    tokens = await spend_refresh_token(database, refresh_token, client_ip)
    if tokens is None:
        raise OAuthError("invalid_grant", INVALID_REFRESH_TOKEN)
    return tokens
