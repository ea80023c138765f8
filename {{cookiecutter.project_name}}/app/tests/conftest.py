"""Fixtures. The application and the tests commit for real, each in sessions of its own."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
from alembic.config import Config
from httpx import AsyncClient
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from alembic import command
from app.core.config import PROJECT_DIR, settings
from app.core.database import database
from app.core.outages import reason
from app.main import app
from app.models import Base, User
from app.tests.helpers import assert_documented, bearer, begin, client_at, hash_of_password, make_empty

# One statement, and so one round trip.
DELETE_ALL_ROWS = select(1).add_cte(*(table.delete().cte() for table in Base.metadata.sorted_tables))


@pytest.fixture(scope="session")
def migrated_database() -> None:
    """The database of this worker, at the newest migration and with nothing in it."""
    url, worker = settings.sqlalchemy_url, os.environ.get("PYTEST_XDIST_WORKER")
    common = url.set(database=str(url.database).removesuffix(f"_{worker}"))
    try:
        asyncio.run(make_empty(url, common))
    except (DBAPIError, OSError) as error:
        pytest.exit(f"The database of TEST_DATABASE_URL is unavailable: {reason(error)}.", returncode=1)
    command.upgrade(Config(PROJECT_DIR / "alembic.ini"), "head")


@pytest.fixture(scope="session")
async def application(migrated_database: None) -> AsyncIterator[None]:
    """The application between its start and its end."""
    async with app.router.lifespan_context(app):
        yield


@pytest.fixture
async def empty_tables(application: None) -> AsyncIterator[None]:
    """Nothing is left behind for the next test."""
    yield
    await database.fetch_all(DELETE_ALL_ROWS)


@pytest.fixture
def client(empty_tables: None) -> AsyncClient:
    """Talks to the application; paths are relative to API_PREFIX, and no answer may be one that isn't documented."""
    client = client_at("198.51.100.1")
    client.event_hooks = {"response": [assert_documented]}
    return client


@pytest.fixture
async def session(empty_tables: None) -> AsyncIterator[AsyncSession]:
    """Sees what was committed, and no more, as does everybody else."""
    async with database.session() as session:
        yield session


@pytest.fixture
async def default_user(session: AsyncSession) -> User:
    return await _create(session, User("ana@example.com", hash_of_password()))


@pytest.fixture
async def default_user_headers(default_user: User) -> dict[str, str]:
    return bearer(await begin(default_user))


@pytest.fixture
async def other_user(session: AsyncSession) -> User:
    return await _create(session, User("bob@example.com", hash_of_password()))


@pytest.fixture
async def superuser(session: AsyncSession) -> User:
    return await _create(session, User("root@example.com", hash_of_password(), is_superuser=True))


@pytest.fixture
async def superuser_headers(superuser: User) -> dict[str, str]:
    return bearer(await begin(superuser))


async def _create(session: AsyncSession, user: User) -> User:
    session.add(user)
    await session.commit()
    return user
