"""Ways to log in to an account beside its password."""

import uuid
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.passwords import NO_PASSWORD
from app.models import KnownClient, LoginSession, User

# Models with a `user_id`, whose rows log an account in beside its password. Features add theirs.
credentials: Final[list[Any]] = []
# Those among them whose rows are each enough for a login, without the password.
ways_to_log_in: Final[list[Any]] = []


async def can_log_in(session: AsyncSession, user_id: uuid.UUID) -> bool:
    """Whether an account has a password or another way to log in; ask after the removal of one, before the commit."""
    ways = [select(User.id).where(User.id == user_id, User.hashed_password != NO_PASSWORD)]
    ways += [select(model.user_id).where(model.user_id == user_id) for model in ways_to_log_in]
    return bool(await session.scalar(select(or_(*(way.exists() for way in ways)))))


async def note_change_of_factors(session: AsyncSession, user_id: uuid.UUID) -> datetime:
    """Let no login that was checked before this change begin a session; returns the moment of the change.

    The caller has locked the account's row.
    """
    change = update(User).where(User.id == user_id).values(factors_changed_at=func.now())
    return (await session.execute(change.returning(func.now()))).scalar_one()


async def take_away_credentials(session: AsyncSession, user_id: uuid.UUID) -> set[Any]:
    """Take away all credentials of an account but its password, and end its sessions; returns the models of what went.

    The caller has locked the account's row, and commits.
    """
    found = set()
    for model in (*credentials, KnownClient, LoginSession):
        ended = await session.execute(delete(model).where(model.user_id == user_id).returning(model.user_id))
        if ended.first():
            found.add(model)
    await note_change_of_factors(session, user_id)
    return found
