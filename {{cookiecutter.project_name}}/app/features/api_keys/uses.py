"""What happens to a key after it was made: it is used, its tokens end, it ends."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.exc import SQLAlchemyError

from app.auth.audit import audit
from app.auth.clients import Client
from app.auth.notices import notify
from app.core.database import Database
from app.core.outages import reason
from app.features.api_keys.models import ApiKey
from app.models import User

logger = logging.getLogger("app.api_keys")

NOTED_EVERY: Final = timedelta(minutes=1)
NEEDS_NOTE: Final = func.coalesce(ApiKey.last_used_at < func.now() - NOTED_EVERY, True)

_NOTE: Final = update(ApiKey).where(ApiKey.id == bindparam("key_id"), NEEDS_NOTE).values(last_used_at=func.now())
_END_TOKENS: Final = (
    update(ApiKey)
    .where(ApiKey.id == bindparam("key_id"), ApiKey.session_id == bindparam("ended"))
    .values(session_id=func.gen_random_uuid())
    .returning(ApiKey.user_id)
)

_notes: Final[dict[uuid.UUID, asyncio.Task[None]]] = {}  # those being written


def note_use(database: Database, key_id: uuid.UUID) -> None:
    """Write down that a key was used, while the request goes on."""
    if key_id not in _notes:
        _notes[key_id] = asyncio.create_task(_note(database, key_id))


async def _note(database: Database, key_id: uuid.UUID) -> None:
    try:
        await database.execute(_NOTE, {"key_id": key_id})
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        logger.warning("The last use of an API key couldn't be written: %s", reason(error))
    finally:
        del _notes[key_id]


async def finish_notes() -> None:
    await asyncio.gather(*_notes.values())


@asynccontextmanager
async def noting(_: Database) -> AsyncIterator[None]:
    yield
    await finish_notes()


async def end_tokens(database: Database, key_id: uuid.UUID, session_id: uuid.UUID, client: Client) -> None:
    """End the tokens that a key was exchanged for; the key stays."""
    if ended := await database.fetch_one(_END_TOKENS, {"key_id": key_id, "ended": session_id}):
        audit("session_revoked", client, ended.user_id, session_id=session_id)


async def end_key(database: Database, user_id: uuid.UUID, key_id: uuid.UUID, client: Client) -> bool:
    """Delete a key of this account, which ends its tokens, too; False if there is none."""
    async with database.session() as session:
        mine = delete(ApiKey).where(ApiKey.id == key_id, ApiKey.user_id == user_id)
        if await session.scalar(mine.returning(ApiKey.id)) is None:
            return False
        address = await session.scalar(select(User.email).where(User.id == user_id))
        notify(session, "api_key_deleted", str(address), user_id)
        await session.commit()
    audit("api_key_deleted", client, user_id, key_id=key_id)
    return True
