"""Readiness: whether the database responds and is at the newest migration."""

import asyncio
import logging
from functools import cache
from time import monotonic
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.config import PROJECT_DIR
from app.core.database import Database
from app.core.outages import reason

logger = logging.getLogger("app.health")

PROBE_TIMEOUT: Final = 1.5  # seconds
MAX_AGE: Final = 1.0  # seconds for which a result is valid


@cache
def newest_migrations() -> set[str]:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 — importing it takes longer than everything else together

    return set(ScriptDirectory(PROJECT_DIR / "alembic").get_heads())


class Readiness:
    """The state of a database, queried at most once per MAX_AGE, however many requests ask for it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._one_at_a_time = asyncio.Lock()
        self._problem: str | None = None
        self._queried_at = -MAX_AGE

    async def problem(self) -> str | None:
        """Say in a few words why the database isn't ready; None if it responds and is at the newest migration."""
        async with self._one_at_a_time:
            if monotonic() - self._queried_at >= MAX_AGE:
                self._problem = await self._query()
                self._queried_at = monotonic()  # after the query, so that its result also serves everybody who waited
            return self._problem

    async def _query(self) -> str | None:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT), self.database.probe() as connection:
                current = set(await connection.scalars(text("SELECT version_num FROM alembic_version")))
        except (DBAPIError, OSError, TimeoutError) as error:
            logger.warning("Not ready: %s", reason(error))
            return "no migrations" if "alembic_version" in str(error) else "unreachable"
        newest = await asyncio.to_thread(newest_migrations)
        return None if current == newest else f"at migration {_names(current)} instead of {_names(newest)}"


@cache
def readiness_of(database: Database) -> Readiness:
    """One object for each database, so that all requests share its last result."""
    return Readiness(database)


def _names(migrations: set[str]) -> str:
    return " and ".join(sorted(migrations)) or "none"
