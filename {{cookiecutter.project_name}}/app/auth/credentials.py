"""What lets somebody in to an account, beside its password."""

import uuid
from typing import Any, Final

from sqlalchemy import delete, func, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import KnownClient, LoginSession, User

# Models of the features with a `user_id`, whose rows log an account in: second factors, passkeys.
credentials: Final[list[Any]] = []


async def note_change_of_factors(session: AsyncSession, user_id: uuid.UUID) -> None:
    """Let no login that was checked before this change begin a session. The caller has locked the account's row."""
    await session.execute(update(User).where(User.id == user_id).values(factors_changed_at=func.now()))


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
