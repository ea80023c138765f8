"""Migrations, on a database of their own."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from alembic.config import Config
from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

from alembic import command
from app.core.config import PROJECT_DIR, settings
from app.core.database import autocommit
from app.models import Base
from app.tests.processes import elsewhere

CONFIG = Config(PROJECT_DIR / "alembic.ini")


@pytest.fixture
async def empty_database(application: None) -> AsyncIterator[dict[str, str]]:
    """The variables that lead to a new database without anything in it."""
    url = settings.sqlalchemy_url.set(database=f"{settings.sqlalchemy_url.database}_migrations")
    remove = text(f'DROP DATABASE IF EXISTS "{url.database}" WITH (FORCE)')
    async with autocommit.connect() as connection:
        await connection.execute(remove)
        await connection.execute(text(f'CREATE DATABASE "{url.database}"'))
        yield {"TEST_DATABASE_URL": url.render_as_string(hide_password=False)}
        await connection.execute(remove)


async def upgrade() -> None:
    await asyncio.to_thread(command.upgrade, CONFIG, "head")


async def tables() -> set[str]:
    engine = create_async_engine(settings.sqlalchemy_url)
    async with engine.connect() as connection:
        names = await connection.run_sync(lambda sync_connection: inspect(sync_connection).get_table_names())
    await engine.dispose()
    return set(names) - {"alembic_version"}


async def there_and_back_and_there_again() -> list[set[str]]:
    seen = [await tables()]
    await upgrade()
    seen.append(await tables())
    await asyncio.to_thread(command.downgrade, CONFIG, "base")
    seen.append(await tables())
    await upgrade()
    seen.append(await tables())
    await asyncio.to_thread(command.check, CONFIG)  # raises unless models and migrations agree
    return seen


async def test_every_migration_can_be_undone_and_together_they_make_the_models(empty_database: dict[str, str]) -> None:
    models = set(Base.metadata.tables)
    assert await elsewhere(empty_database, there_and_back_and_there_again) == [set(), models, set(), models]


async def upgraded_tables() -> set[str]:
    await upgrade()
    return await tables()


async def test_upgrades_that_start_at_once_are_as_good_as_one(empty_database: dict[str, str]) -> None:
    seen = await asyncio.gather(*(elsewhere(empty_database, upgraded_tables) for _ in range(4)))
    assert seen == [set(Base.metadata.tables)] * 4
