"""Migrations, on a database of their own."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from alembic.config import Config
from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from alembic import command
from app.core.config import PROJECT_DIR, settings
from app.models import Base
from app.tests.helpers import connect, make_empty
from app.tests.other_settings import other_settings

CONFIG = Config(PROJECT_DIR / "alembic.ini")


@pytest.fixture
async def empty_database(application: None) -> AsyncIterator[AsyncConnection]:
    """A connection to an empty database, on which the migrations will run."""
    url = settings.sqlalchemy_url.set(database=f"{settings.sqlalchemy_url.database}_migrations")
    await make_empty(url, settings.sqlalchemy_url)
    async with connect(url) as connection:
        with other_settings(TEST_DATABASE_URL=url.render_as_string(hide_password=False)):
            yield connection


async def tables(connection: AsyncConnection) -> set[str]:
    names = await connection.run_sync(lambda sync_connection: inspect(sync_connection).get_table_names())
    return set(names) - {"alembic_version"}


async def test_every_migration_can_be_undone_and_together_they_create_the_models(
    empty_database: AsyncConnection,
) -> None:
    models = set(Base.metadata.tables)
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
