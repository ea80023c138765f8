"""Whether the database can serve this code, asked past the pool."""

import asyncio
import logging
from functools import cache
from time import monotonic
from typing import Final

from sqlalchemy import NullPool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from app.core.config import PROJECT_DIR, settings
from app.core.database import connect_args
from app.core.outages import reason

logger = logging.getLogger("app.health")

# Probes have a connection of their own: a pool that is busy is no reason to be taken for dead.
probe = create_async_engine(
    settings.sqlalchemy_url, connect_args=connect_args(), poolclass=NullPool, isolation_level="AUTOCOMMIT"
)
PROBE_TIMEOUT: Final = 1.5  # seconds
MAX_AGE: Final = 1.0  # seconds that a result counts


@cache
def newest_migrations() -> set[str]:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 — takes longer to import than all the rest

    return set(ScriptDirectory(PROJECT_DIR / "alembic").get_heads())


class Readiness:
    """The state of the database, which is asked for at most once in MAX_AGE, however many want to know."""

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Lock()
        self._problem: str | None = None
        self._asked_at = -MAX_AGE

    async def problem(self) -> str | None:
        """A few words on why the database can't serve this code; None when it answers, at the newest migration."""
        async with self._one_at_a_time:
            if monotonic() - self._asked_at >= MAX_AGE:
                self._problem = await _schema_problem()
                self._asked_at = monotonic()  # now, so that all who waited have it
            return self._problem


readiness = Readiness()


async def _schema_problem() -> str | None:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT), probe.connect() as connection:
            current = set(await connection.scalars(text("SELECT version_num FROM alembic_version")))
    except (DBAPIError, OSError, TimeoutError) as error:
        logger.warning("Not ready: %s", reason(error))
        return "no migrations" if "alembic_version" in str(error) else "unreachable"
    newest = await asyncio.to_thread(newest_migrations)
    return None if current == newest else f"at migration {_words(current)} instead of {_words(newest)}"


def _words(migrations: set[str]) -> str:
    return " and ".join(sorted(migrations)) or "none"
