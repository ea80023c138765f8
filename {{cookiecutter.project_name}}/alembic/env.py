"""How Alembic reaches the database, and what it compares."""

import asyncio
import logging
from typing import Any

from sqlalchemy import Connection, NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

from alembic import context
from app.core.config import settings
from app.models import Base

logging.basicConfig(format="%(message)s")
logging.getLogger("alembic.runtime.migration").setLevel(logging.INFO)

LOCK = 2_026_112_100  # any number, as long as nothing else in this database uses it
IGNORED_TABLES = {name.strip() for name in (context.config.get_main_option("ignored_tables") or "").split(",")}


def include_name(name: str | None, type_: str, _: Any) -> bool:
    return type_ != "table" or name not in IGNORED_TABLES


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=include_name,
        compare_server_default=True,
    )
    with context.begin_transaction():
        # Replicas that start together queue here; all but the first then find nothing left to do.
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        context.run_migrations()


async def migrate_online() -> None:
    engine = create_async_engine(settings.sqlalchemy_url, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
        await connection.commit()
    await engine.dispose()


if context.is_offline_mode():  # `alembic upgrade head --sql` prints the statements for somebody else to run
    context.configure(dialect_name="postgresql", target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(migrate_online())
