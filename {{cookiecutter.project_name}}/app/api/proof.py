"""Proof, beyond the access token, that a request comes from the account's owner."""

import uuid
from datetime import timedelta
from typing import Final

from fastapi import HTTPException, status
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.deps import Autocommit, ClientIp, CurrentUser
from app.api.errors import (
    INCORRECT_PASSWORD,
    INVALID_CODE,
    PASSKEY_REQUIRED,
    PASSWORD_REQUIRED,
    SECOND_FACTOR_REQUIRED,
    unauthorized,
)
from app.api.oauth import OAuthError
from app.auth.caller import Caller
from app.auth.login import Account, authenticate
from app.auth.second_factor import check_code, has_second_factor
from app.core.config import settings
from app.core.database import Database
from app.models import LoginSession, Passkey, User
from app.schemas.passkeys import OwnerProofRequest

FRESH: Final = timedelta(minutes=10)  # how long a login proves that its user is there


async def prove_password(database: Database, user: Caller, password: str, client_ip: str) -> Account:
    """The caller's account, if this is its password. Raises the 400, RateLimitedError and PasswordQueueFullError."""
    account = await authenticate(database, user.email, password, client_ip)
    if account is None or account.id != user.id:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, INCORRECT_PASSWORD)
    return account


async def prove_second_factor(database: Database, user_id: uuid.UUID, code: str | None, client_ip: str) -> None:
    """Use the code of an account that has a second factor; others need none.

    Raises the 403 without a code, the 400 for a wrong one, and RateLimitedError.
    """
    if not await has_second_factor(database, user_id):
        return
    if code is None:
        raise OAuthError("mfa_required", SECOND_FACTOR_REQUIRED, status.HTTP_403_FORBIDDEN)
    if await check_code(database, user_id, code, client_ip) is None:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, INVALID_CODE)


async def lock_owner(session: AsyncSession, user: Caller) -> None:
    """Lock the caller's row, before all others, until the transaction ends. Raises the 401 if the session is over.

    So whoever ends all sessions, by a new password for example, has the last word; and no deletion can deadlock.
    """
    owner = select(User.id).join(LoginSession).where(LoginSession.id == user.session_id)
    if await session.scalar(owner.with_for_update(key_share=True)) is None:
        raise unauthorized(token_was_sent=True)


async def refuse_weaker_session(user: CurrentUser, database: Autocommit) -> None:
    """A dependency: a superuser who has a passkey can't change factors in a session begun by password alone.

    Otherwise whoever has stolen the password could add a factor and log in with it. Raises the 403, and only where
    SUPERUSER_SECOND_FACTOR is required.
    """
    if settings.superuser_second_factor == "optional":
        return
    weaker = (
        select(LoginSession.id)
        .join(User, User.id == LoginSession.user_id)
        .join(Passkey, Passkey.user_id == User.id)
        .where(LoginSession.id == user.session_id, LoginSession.login_method == "password", User.is_superuser)
    )
    if await database.fetch_one(weaker):
        raise HTTPException(status.HTTP_403_FORBIDDEN, PASSKEY_REQUIRED)


async def prove_presence(
    user: CurrentUser, client_ip: ClientIp, database: Autocommit, proof: OwnerProofRequest | None = None
) -> None:
    """A dependency: the owner is there, as a session that has just begun proves, or else the password or a code.

    If the account has a second factor, the password proves nothing. Raises the 403 without proof, and what
    prove_password and prove_second_factor raise.
    """
    proof = proof or OwnerProofRequest()
    needs_code = await has_second_factor(database, user.id)
    fresh = select(LoginSession.login_method).where(
        LoginSession.id == user.session_id, LoginSession.created_at > func.now() - FRESH
    )
    session = await database.fetch_one(fresh)
    if session and not (needs_code and session.login_method == "password"):
        return
    if needs_code:
        await prove_second_factor(database, user.id, proof.code, client_ip)
    elif proof.current_password is None:
        raise OAuthError("password_required", PASSWORD_REQUIRED, status.HTTP_403_FORBIDDEN)
    else:
        await prove_password(database, user, proof.current_password, client_ip)
