"""What lets somebody into an account, beside its password."""

import uuid
from typing import Final

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Base, KnownClient, LoginSession, Passkey, RecoveryCode, TotpSecret

# Models with a `user_id`. Whatever else logs somebody in, or counts in their favour, belongs here, too.
credentials: Final[list[type[Base]]] = [LoginSession, KnownClient, TotpSecret, RecoveryCode, Passkey]


async def end_what_was_left(session: AsyncSession, user_id: uuid.UUID) -> set[type[Base]]:
    """End all that somebody set up who had not proved that the account's address is theirs; returns what there was.

    Whoever registers with another's address must not get in once its owner has the account. Lock the user's row before.
    """
    found = set()
    for model in credentials:
        columns = model.__table__.columns
        ended = await session.execute(delete(model).where(columns["user_id"] == user_id).returning(columns["user_id"]))
        if ended.first():
            found.add(model)
    return found
