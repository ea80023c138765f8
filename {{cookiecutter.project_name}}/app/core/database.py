"""The engine, what hands out its connections, and whether the database is what the code expects."""

import asyncio
from functools import cache

from sqlalchemy import NullPool, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from app.core.config import PROJECT_DIR, settings

engine = create_async_engine(
    settings.sqlalchemy_url, pool_size=10, max_overflow=0, pool_timeout=5, hide_parameters=True
)

# For a statement by itself, which PostgreSQL makes atomic anyway: no BEGIN and no COMMIT, one round trip instead of
# three.
autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")

# For everything else. What was committed stays readable: nothing is loaded again behind a route's back.
new_session = async_sessionmaker(engine, expire_on_commit=False)

# Probes have a connection of their own: a pool that is busy is no reason to be taken for dead.
_probe = create_async_engine(settings.sqlalchemy_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
PROBE_TIMEOUT = 1.5  # seconds


@cache
def newest_migration() -> str | None:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 — takes longer to import than all the rest

    return ScriptDirectory(PROJECT_DIR / "alembic").get_current_head()


async def schema_problem() -> str | None:
    """A few words on why the database can't serve this code; None when it answers, at the newest migration."""
    try:
        async with asyncio.timeout(PROBE_TIMEOUT), _probe.connect() as connection:
            current = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        return "no migrations" if "alembic_version" in str(error) else "unreachable"
    newest = await asyncio.to_thread(newest_migration)
    return None if current == newest else f"at migration {current} instead of {newest}"
