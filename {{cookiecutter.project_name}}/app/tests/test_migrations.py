"""Migrations, on a database of their own."""

import asyncio

from alembic.config import Config
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from alembic import command
from app.autogenerate import load_models
from app.core.config import PROJECT_DIR

CONFIG = Config(PROJECT_DIR / "alembic.ini")


async def tables(connection: AsyncConnection) -> set[str]:
    """The tables of all schemas, named as models name them."""

    def read(sync_connection: Connection) -> set[str]:
        found = inspect(sync_connection)
        schemas = set(found.get_schema_names()) - {"information_schema"}
        return {f"{schema}.{name}" for schema in schemas for name in found.get_table_names(schema)}

    names = await connection.run_sync(read)
    return {name.removeprefix("public.") for name in names} - {"alembic_version"}


async def test_every_migration_can_be_undone_and_together_they_create_the_models(
    empty_database: AsyncConnection,
) -> None:
    models = set(load_models().tables)
    await asyncio.to_thread(command.upgrade, CONFIG, "head")
    assert await tables(empty_database) == models
    await asyncio.to_thread(command.downgrade, CONFIG, "base")
    assert await tables(empty_database) == set()
    await asyncio.to_thread(command.upgrade, CONFIG, "head")
    assert await tables(empty_database) == models
    await asyncio.to_thread(command.check, CONFIG)  # raises unless models and migrations agree


async def test_superusers_that_were_there_before_addresses_were_verified_count_as_verified(
    empty_database: AsyncConnection,
) -> None:
    await asyncio.to_thread(command.upgrade, CONFIG, "6f3d0b8a51ce")
    accounts = (
        "INSERT INTO users (email, hashed_password, is_superuser) VALUES ('root', '-', true), ('ana', '-', false)"
    )
    await empty_database.execute(text(accounts))
    await asyncio.to_thread(command.upgrade, CONFIG, "7d41c0b95ea3")
    verified = await empty_database.scalars(text("SELECT email FROM users WHERE email_verified_at IS NOT NULL"))
    assert verified.all() == ["root"]
