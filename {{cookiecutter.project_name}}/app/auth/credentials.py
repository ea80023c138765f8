"""Ways to log in to an account beside its password."""

import uuid
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import KnownClient, LoginSession, User

# Models with a `user_id`, whose rows log an account in beside its password. Features add theirs.
credentials: Final[list[Any]] = []


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
