"""How Alembic reaches the database, what it compares, and how replicas that start together take turns."""

import asyncio
import logging
import sys
import time
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from alembic import context
from app.core.config import settings
from app.core.outages import is_outage, is_refusal, reason
from app.models import Base

logging.basicConfig(format="%(message)s")
logging.getLogger("alembic.runtime.migration").setLevel(logging.INFO)
logger = logging.getLogger("alembic.runtime.migration")

IGNORED_TABLES = {name.strip() for name in (context.config.get_main_option("ignored_tables") or "").split(",")}
LOCK = 2_026_112_100  # any number, as long as nothing else in this database uses it
LOCK_TIMEOUT = 120  # seconds: how long another replica's migrations may take
CONNECT_TIMEOUT = 30  # seconds: how long the database may take to start


def include_name(name: str | None, type_: str, _: Any) -> bool:
    return type_ != "table" or name not in IGNORED_TABLES


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=include_name,
        compare_server_default=True,
    )
    is_current = set(context.get_context().get_current_heads()) == set(context.script.get_heads())
    connection.rollback()
    with context.begin_transaction():
        if not is_current:
            # Replicas that start together queue here; all but the first then find nothing left to do.
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        try:
            context.run_migrations()
        except CommandError as error:
            sys.exit(f"{error}. Is the database newer than this code?")


async def connect(engine: AsyncEngine) -> AsyncConnection:
    """Wait for a database that is still starting; a sentence and an exit when it doesn't answer or refuses."""
    where = f"The database at {settings.database_address}"
    deadline = time.monotonic() + CONNECT_TIMEOUT
    is_waiting = False
    while True:
        try:
            return await engine.connect()
        except (DBAPIError, OSError, TimeoutError) as error:
            if is_refusal(error) or not is_outage(error) or time.monotonic() > deadline:
                sys.exit(f"{where} can't serve: {reason(error)}.")
        if not is_waiting:
            logger.info("%s doesn't answer yet, waiting up to %s s", where, CONNECT_TIMEOUT)
            is_waiting = True
        await asyncio.sleep(0.5)


async def migrate_online() -> None:
    # Nothing prepared for later: there may be a PgBouncer between.
    connect_args = {"timeout": settings.database_connect_timeout, "statement_cache_size": 0}
    engine = create_async_engine(settings.sqlalchemy_url, connect_args=connect_args, poolclass=NullPool)
    connection = await connect(engine)
    await connection.run_sync(migrate)
    await connection.commit()
    await connection.close()
    await engine.dispose()


if context.is_offline_mode():  # `alembic upgrade head --sql` prints the statements for somebody else to run
    context.configure(dialect_name="postgresql", target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(migrate_online())
