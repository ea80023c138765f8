"""Logging in, staying in and getting out."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Form, Header, HTTPException, status
from sqlalchemy import delete, func, select

from app.api.deps import Autocommit, ClientIp, CurrentUser
from app.api.errors import (
    BODY,
    INCORRECT_EMAIL_OR_PASSWORD,
    INVALID_REFRESH_TOKEN,
    RATE_LIMITED,
    SESSION_NOT_FOUND,
    UNAUTHORIZED,
    UNVERIFIED,
    body_refused,
    documented,
)
from app.auth.audit import audit
from app.auth.login import authenticate
from app.auth.sessions import begin_session, end_session_of, spend_refresh_token
from app.models import USER_AGENT_MAX_LENGTH, LoginSession
from app.schemas.requests import LoginForm, LogoutRequest, RefreshTokenRequest
from app.schemas.responses import SessionResponse, TokenResponse

router = APIRouter()


@router.post("/access-token", responses=body_refused(INCORRECT_EMAIL_OR_PASSWORD) | UNVERIFIED | RATE_LIMITED)
async def login_access_token(
    form: Annotated[LoginForm, Form()],
    client_ip: ClientIp,
    autocommit: Autocommit,
    user_agent: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> TokenResponse:
    """Log in with an e-mail address and a password (the password grant of OAuth 2.0)."""
    account = await authenticate(autocommit, form.username, form.password, client_ip)
    device = user_agent and user_agent.replace("\0", "")[:USER_AGENT_MAX_LENGTH]
    tokens = account and await begin_session(autocommit, account, device, client_ip)
    if account is None or tokens is None:  # the same for an unknown user, a wrong password and an inactive user
        raise HTTPException(status.HTTP_400_BAD_REQUEST, INCORRECT_EMAIL_OR_PASSWORD)
    audit("login_succeeded", client_ip, account.id)
    return TokenResponse.model_validate(tokens)


@router.post("/refresh-token", responses=body_refused(INVALID_REFRESH_TOKEN))
async def refresh_token(spent: RefreshTokenRequest, client_ip: ClientIp, autocommit: Autocommit) -> TokenResponse:
    """Change a refresh token, once, for a new pair of tokens of the same session."""
    tokens = await spend_refresh_token(autocommit, spent.refresh_token, client_ip)
    if tokens is None:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, INVALID_REFRESH_TOKEN)
    return TokenResponse.model_validate(tokens)


@router.post("/logout", status_code=status.HTTP_204_NO_CONTENT, responses=BODY)
async def logout(ended: LogoutRequest, client_ip: ClientIp, autocommit: Autocommit) -> None:
    """End the session of a refresh token; a token that nobody issued is as good as ended (RFC 7009 section 2.2)."""
    await end_session_of(autocommit, ended.refresh_token, client_ip)


@router.post("/logout-all", status_code=status.HTTP_204_NO_CONTENT, responses=UNAUTHORIZED)
async def logout_everywhere(user: CurrentUser, client_ip: ClientIp, autocommit: Autocommit) -> None:
    """End every session of the caller's, this one too."""
    await autocommit.execute(delete(LoginSession).where(LoginSession.user_id == user.id))
    audit("session_revoked", client_ip, user.id)


@router.get("/sessions", responses=UNAUTHORIZED)
async def read_my_sessions(user: CurrentUser, autocommit: Autocommit) -> list[SessionResponse]:
    """List where the caller is logged in, the latest use first."""
    login_sessions = await autocommit.fetch_all(
        select(*LoginSession.__table__.columns, (LoginSession.id == user.session_id).label("current"))
        .where(LoginSession.user_id == user.id, LoginSession.expires_at > func.now())
        .order_by(LoginSession.last_used_at.desc(), LoginSession.id)
    )
    return [SessionResponse.model_validate(login_session) for login_session in login_sessions]


@router.delete(
    "/sessions/{session_id:uuid}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=UNAUTHORIZED | documented(404, SESSION_NOT_FOUND),
)
async def revoke_my_session(
    session_id: uuid.UUID, user: CurrentUser, client_ip: ClientIp, autocommit: Autocommit
) -> None:
    """End one of the caller's sessions."""
    my_session = delete(LoginSession).where(LoginSession.id == session_id, LoginSession.user_id == user.id)
    if not await autocommit.execute(my_session):
        raise HTTPException(status.HTTP_404_NOT_FOUND, SESSION_NOT_FOUND)
    audit("session_revoked", client_ip, user.id, session_id=session_id)
