"""Accounts: the caller's own and, for superusers, everybody's."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta

from fastapi import APIRouter, HTTPException, status
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.deps import Autocommit, CurrentClient, CurrentSuperuser, CurrentUser, DbSession, RecentFactor, UsersReader
from app.api.endpoints.reauthentication import check_own_password
from app.api.errors import (
    BODY,
    EMAIL_NOT_AVAILABLE,
    FORBIDDEN,
    INCORRECT_PASSWORD,
    LAST_SUPERUSER,
    NOT_RECENT,
    RATE_LIMITED,
    UNAUTHORIZED,
    USER_NOT_FOUND,
    body_refused,
    documented,
)
from app.api.pagination import PAGED, PageQuery
from app.auth.accounts import is_unchanged
from app.auth.audit import audit
from app.auth.login import admit_registration, hash_new_password
from app.auth.notices import notify
from app.auth.rate_limits import Limit, hit
from app.models import LoginSession, User
from app.schemas.requests import UserCreateRequest, UserUpdatePasswordRequest, UserUpdateRequest, refuse_own_address
from app.schemas.responses import UserAdminResponse, UserResponse

router = APIRouter()

SUPERUSERS_LOCK = 2_026_112_101  # any number but the one in alembic/env.py

NOT_FOUND = documented(404, USER_NOT_FOUND)
CONFLICT = documented(409, LAST_SUPERUSER)

# Stores a new account and commits; or returns False, and the next registrar or the route stores it.
Registrar = Callable[[AsyncSession, User], Awaitable[bool]]
registrars: list[Registrar] = []  # features add theirs


@router.post(
    "/register",
    status_code=status.HTTP_201_CREATED,
    responses=body_refused(EMAIL_NOT_AVAILABLE) | RATE_LIMITED,
)
async def register_new_user(
    new_user: UserCreateRequest, client: CurrentClient, autocommit: Autocommit, session: DbSession
) -> UserResponse:
    """Create an account."""
    await admit_registration(autocommit, client)
    hashed_password = await hash_new_password(new_user.password, client)
    user = User(new_user.email, hashed_password)
    for register in registrars:
        if await register(session, user):
            return UserResponse.model_validate(user)
    session.add(user)
    try:
        await session.flush()
    except IntegrityError:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, EMAIL_NOT_AVAILABLE) from None
    notify(session, "registered", user.email, user.id)
    await session.commit()
    return UserResponse.model_validate(user)


@router.get("/me", responses=UNAUTHORIZED)
async def read_current_user(user: CurrentUser) -> UserResponse:
    """Read the caller's account."""
    return UserResponse.model_validate(user)


@router.delete("/me", status_code=status.HTTP_204_NO_CONTENT, responses=NOT_RECENT | CONFLICT)
async def delete_current_user(user: RecentFactor, client: CurrentClient, session: DbSession) -> None:
    """Delete the caller's account and everything that belongs to it."""
    await _delete(await _get_user(user.id, session), session)
    audit("account_deleted", client, user.id, by=user.id)


@router.post(
    "/reset-password",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=body_refused(INCORRECT_PASSWORD) | NOT_RECENT | RATE_LIMITED,
)
async def reset_current_user_password(
    passwords: UserUpdatePasswordRequest,
    user: RecentFactor,
    client: CurrentClient,
    autocommit: Autocommit,
    session: DbSession,
) -> None:
    """Change the caller's password and end every session, including this one."""
    refuse_own_address(passwords.new_password, user.email)
    account = await check_own_password(autocommit, user, passwords.current_password, client)
    # A new password ends the recoveries that were asked for before it: a thief of the password who changed it all the
    # time would keep the owner out.
    await hit(autocommit, [Limit("new password", str(user.id), 10, timedelta(hours=1))])
    hashed_password = await hash_new_password(passwords.new_password, client)
    changed = await session.scalar(
        update(User)
        # Of several simultaneous changes one wins; the others no longer have the current password. Nor is a password
        # enough for an account that got a second factor meanwhile.
        .where(is_unchanged(account))
        .values(hashed_password=hashed_password, password_changed_at=func.now())
        .returning(User.id)
    )
    if changed is None:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, INCORRECT_PASSWORD)
    await session.execute(delete(LoginSession).where(LoginSession.user_id == user.id))
    notify(session, "password_changed", user.email, user.id)
    await session.commit()
    audit("password_changed", client, user.id)


@router.get("", responses=FORBIDDEN | PAGED)
async def read_users(_: UsersReader, page: PageQuery) -> list[UserAdminResponse]:
    """List all accounts by email address, a page at a time."""
    email = func.lower(User.email, type_=User.email.type).label("lower_email")
    users = await page.fetch(select(*User.__table__.columns, email), email, User.id)
    return [UserAdminResponse.model_validate(user) for user in users]


@router.get("/{user_id:uuid}", responses=FORBIDDEN | NOT_FOUND)
async def read_user(user_id: uuid.UUID, _: UsersReader, autocommit: Autocommit) -> UserAdminResponse:
    """Read any account."""
    user = await autocommit.fetch_one(select(*User.__table__.columns).where(User.id == user_id))
    if user is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, USER_NOT_FOUND)
    return UserAdminResponse.model_validate(user)


@router.patch("/{user_id:uuid}", responses=FORBIDDEN | NOT_FOUND | CONFLICT | BODY)
async def update_user(
    user_id: uuid.UUID,
    change: UserUpdateRequest,
    superuser: CurrentSuperuser,
    client: CurrentClient,
    session: DbSession,
) -> UserAdminResponse:
    """Activate or deactivate an account, grant or revoke superuser rights; deactivation ends its sessions."""
    user = await _get_user(user_id, session)
    was_active, was_superuser = user.is_active, user.is_superuser
    if change.is_active is False or change.is_superuser is False:
        await _keep_a_superuser_besides(user, session)
    if change.is_superuser is not None:
        user.is_superuser = change.is_superuser
    if change.is_active is not None:
        user.is_active = change.is_active
    if change.is_active is False:
        user.password_changed_at = func.now()  # no token from before works after a reactivation
        await session.flush()
        await session.execute(delete(LoginSession).where(LoginSession.user_id == user_id))
    await session.commit()
    if user.is_superuser != was_superuser:
        audit("superuser_granted" if user.is_superuser else "superuser_revoked", client, user_id, by=superuser.id)
    if user.is_active != was_active:
        audit("account_activated" if user.is_active else "account_deactivated", client, user_id, by=superuser.id)
    return UserAdminResponse.model_validate(user)


@router.delete("/{user_id:uuid}", status_code=status.HTTP_204_NO_CONTENT, responses=FORBIDDEN | NOT_FOUND | CONFLICT)
async def delete_user(
    user_id: uuid.UUID, superuser: CurrentSuperuser, client: CurrentClient, session: DbSession
) -> None:
    """Delete any account and everything that belongs to it."""
    await _delete(await _get_user(user_id, session), session)
    audit("account_deleted", client, user_id, by=superuser.id)


async def _get_user(user_id: uuid.UUID, session: AsyncSession) -> User:
    user = await session.get(User, user_id, with_for_update=True)
    if user is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, USER_NOT_FOUND)
    return user


async def _delete(user: User, session: AsyncSession) -> None:
    if user.is_superuser:
        await _keep_a_superuser_besides(user, session)
        user.is_superuser = False
        await session.commit()  # so that deleting everything else doesn't make other superusers wait
    await session.delete(user)
    await session.commit()


async def _keep_a_superuser_besides(user: User, session: AsyncSession) -> None:
    """Raise a 409 if this is the last active superuser. Parallel requests wait here for each other to commit.

    The caller must have locked the user's row: the other way round, two requests could deadlock.
    """
    if not (user.is_superuser and user.is_active):
        return
    await session.execute(select(func.pg_advisory_xact_lock(SUPERUSERS_LOCK)))
    superusers = select(User.id).where(User.is_superuser, User.is_active)
    if (await session.scalars(superusers)).all() == [user.id]:
        raise HTTPException(status.HTTP_409_CONFLICT, LAST_SUPERUSER)
