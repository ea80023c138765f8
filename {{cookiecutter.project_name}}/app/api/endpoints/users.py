"""Accounts: one's own, and for superusers everybody's."""

import uuid

from fastapi import APIRouter, HTTPException, status
from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.deps import ClientAddress, CurrentSuperuser, CurrentUser, DbSession
from app.api.errors import (
    BODY,
    EMAIL_NOT_AVAILABLE,
    FORBIDDEN,
    INCORRECT_PASSWORD,
    LAST_SUPERUSER,
    THROTTLED,
    UNAUTHORIZED,
    USER_NOT_FOUND,
    body_refused,
    documented,
)
from app.api.pagination import PAGED, PageQuery, paged
from app.auth.login import admit_registration, authenticate, remember_address
from app.core.database import fetch, read
from app.core.passwords import hash_password
from app.models import LoginSession, User
from app.schemas.requests import UserCreateRequest, UserUpdatePasswordRequest, UserUpdateRequest
from app.schemas.responses import UserAdminResponse, UserResponse

router = APIRouter()

SUPERUSERS_LOCK = 2_026_112_101  # any number but the one in alembic/env.py

_REGISTER = insert(User).on_conflict_do_nothing().returning(User.id, User.email)
_USER = select(*User.__table__.columns).where(User.id == bindparam("user_id"))
_USERS = paged(select(func.lower(User.email), User.id, *User.__table__.columns), func.lower(User.email), User.id)

NOT_FOUND = documented(404, USER_NOT_FOUND)
CONFLICT = documented(409, LAST_SUPERUSER)


@router.post(
    "/register",
    status_code=status.HTTP_201_CREATED,
    responses=body_refused(EMAIL_NOT_AVAILABLE) | THROTTLED,
)
async def register_new_user(new_user: UserCreateRequest, address: ClientAddress) -> UserResponse:
    """Create an account."""
    await admit_registration(address)
    hashed_password = await hash_password(new_user.password)
    users = await fetch(_REGISTER, email=new_user.email, hashed_password=hashed_password)
    if not users:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, EMAIL_NOT_AVAILABLE)
    await remember_address(new_user.email, address)
    return UserResponse.model_validate(users[0])


@router.get("/me", responses=UNAUTHORIZED)
async def read_current_user(user: CurrentUser) -> UserResponse:
    """Read the caller's account."""
    return UserResponse(id=user.id, email=user.email)


@router.delete("/me", status_code=status.HTTP_204_NO_CONTENT, responses=UNAUTHORIZED | CONFLICT)
async def delete_current_user(user: CurrentUser, session: DbSession) -> None:
    """Delete the caller's account and all that belongs to it."""
    await _keep_a_superuser_besides(user.id, session)
    await session.execute(delete(User).where(User.id == user.id))
    await session.commit()


@router.post(
    "/reset-password",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=body_refused(INCORRECT_PASSWORD) | UNAUTHORIZED | THROTTLED,
)
async def reset_current_user_password(
    passwords: UserUpdatePasswordRequest, user: CurrentUser, address: ClientAddress, session: DbSession
) -> None:
    """Change the caller's password and end every session, this one too."""
    account = await authenticate(user.email, passwords.current_password, address)
    if account is None or account.id != user.id:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, INCORRECT_PASSWORD)
    hashed_password = await hash_password(passwords.new_password)
    changed = await session.scalar(
        update(User)
        # Of several changes at once one wins; by then the others don't know the current password any more.
        .where(User.id == account.id, User.password_changed_at == account.password_changed_at)
        .values(hashed_password=hashed_password, password_changed_at=func.now())
        .returning(User.id)
    )
    if changed is None:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, INCORRECT_PASSWORD)
    await session.execute(delete(LoginSession).where(LoginSession.user_id == user.id))
    await session.commit()


@router.get("", responses=FORBIDDEN | PAGED)
async def read_users(_: CurrentSuperuser, page: PageQuery) -> list[UserAdminResponse]:
    """List all accounts by e-mail address, a page at a time."""
    return [UserAdminResponse.model_validate(user) for user in await page.fetch(_USERS)]


@router.get("/{user_id:uuid}", responses=FORBIDDEN | NOT_FOUND)
async def read_user(user_id: uuid.UUID, _: CurrentSuperuser) -> UserAdminResponse:
    """Read any account."""
    users = await read(_USER, user_id=user_id)
    if not users:
        raise HTTPException(status.HTTP_404_NOT_FOUND, USER_NOT_FOUND)
    return UserAdminResponse.model_validate(users[0])


@router.patch("/{user_id:uuid}", responses=FORBIDDEN | NOT_FOUND | CONFLICT | BODY)
async def update_user(
    user_id: uuid.UUID, change: UserUpdateRequest, _: CurrentSuperuser, session: DbSession
) -> UserAdminResponse:
    """Activate or deactivate an account, make it a superuser's or stop that; deactivation ends its sessions."""
    if change.is_active is False or change.is_superuser is False:
        await _keep_a_superuser_besides(user_id, session)
    user = await _get_user(user_id, session)
    if change.is_superuser is not None:
        user.is_superuser = change.is_superuser
    if change.is_active is not None:
        user.is_active = change.is_active
    if change.is_active is False:
        await session.flush()
        await session.execute(delete(LoginSession).where(LoginSession.user_id == user_id))
    await session.commit()
    return UserAdminResponse.model_validate(user)


@router.delete("/{user_id:uuid}", status_code=status.HTTP_204_NO_CONTENT, responses=FORBIDDEN | NOT_FOUND | CONFLICT)
async def delete_user(user_id: uuid.UUID, _: CurrentSuperuser, session: DbSession) -> None:
    """Delete any account and all that belongs to it."""
    await _keep_a_superuser_besides(user_id, session)
    await session.delete(await _get_user(user_id, session))
    await session.commit()


async def _get_user(user_id: uuid.UUID, session: AsyncSession) -> User:
    user = await session.get(User, user_id, with_for_update=True)
    if user is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, USER_NOT_FOUND)
    return user


async def _keep_a_superuser_besides(user_id: uuid.UUID, session: AsyncSession) -> None:
    """Refuse to lose the last active superuser. Who may lose one waits here for the others to finish."""
    await session.execute(select(func.pg_advisory_xact_lock(SUPERUSERS_LOCK)))
    superusers = select(User.id).where(User.is_superuser, User.is_active)
    if (await session.scalars(superusers)).all() == [user_id]:
        raise HTTPException(status.HTTP_409_CONFLICT, LAST_SUPERUSER)
