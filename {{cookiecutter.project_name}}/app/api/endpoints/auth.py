"""Logging in, staying logged in, and getting out."""

import uuid

from fastapi import APIRouter, HTTPException, status
from sqlalchemy import delete, func, select

from app.api.deps import AccountHolder, Autocommit, CurrentClient
from app.api.errors import BODY, INVALID_REFRESH_TOKEN, NEEDS_SCOPE, SESSION_NOT_FOUND, body_refused, documented
from app.auth.audit import audit
from app.auth.sessions import end_session_of, spend_refresh_token
from app.models import LoginSession
from app.schemas.requests import LogoutRequest, RefreshTokenRequest
from app.schemas.responses import SessionResponse, TokenResponse

router = APIRouter()


@router.post("/refresh-token", responses=body_refused(INVALID_REFRESH_TOKEN))
async def refresh_token(spent: RefreshTokenRequest, client: CurrentClient, autocommit: Autocommit) -> TokenResponse:
    """Exchange a refresh token, which works once, for a new pair of tokens of the same session."""
    tokens = await spend_refresh_token(autocommit, spent.refresh_token, client)
    if tokens is None:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, INVALID_REFRESH_TOKEN)
    return TokenResponse.model_validate(tokens)


@router.post("/logout", status_code=status.HTTP_204_NO_CONTENT, responses=BODY)
async def logout(ended: LogoutRequest, client: CurrentClient, autocommit: Autocommit) -> None:
    """End the session of a refresh token; for an unknown token this succeeds, too (RFC 7009 section 2.2)."""
    await end_session_of(autocommit, ended.refresh_token, client)


@router.post("/logout-all", status_code=status.HTTP_204_NO_CONTENT, responses=NEEDS_SCOPE)
async def logout_everywhere(user: AccountHolder, client: CurrentClient, autocommit: Autocommit) -> None:
    """End every session of the caller, including this one."""
    await autocommit.execute(delete(LoginSession).where(LoginSession.user_id == user.id))
    audit("session_revoked", client, user.id)


@router.get("/sessions", responses=NEEDS_SCOPE)
async def read_my_sessions(user: AccountHolder, autocommit: Autocommit) -> list[SessionResponse]:
    """List the caller's sessions, the most recently used first."""
    login_sessions = await autocommit.fetch_all(
        select(*LoginSession.__table__.columns, (LoginSession.id == user.session_id).label("current"))
        .where(LoginSession.user_id == user.id, LoginSession.expires_at > func.now())
        .order_by(LoginSession.last_used_at.desc(), LoginSession.id)
    )
    return [SessionResponse.model_validate(login_session) for login_session in login_sessions]


@router.delete(
    "/sessions/{session_id:uuid}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=NEEDS_SCOPE | documented(404, SESSION_NOT_FOUND),
)
async def revoke_my_session(
    session_id: uuid.UUID, user: AccountHolder, client: CurrentClient, autocommit: Autocommit
) -> None:
    """End one of the caller's sessions."""
    my_session = delete(LoginSession).where(LoginSession.id == session_id, LoginSession.user_id == user.id)
    if not await autocommit.execute(my_session):
        raise HTTPException(status.HTTP_404_NOT_FOUND, SESSION_NOT_FOUND)
    audit("session_revoked", client, user.id, session_id=session_id)
