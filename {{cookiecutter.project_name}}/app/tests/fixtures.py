"""Fixtures, for tests anywhere in the project. The application and the tests use separate sessions, and both commit."""

import asyncio
import gc
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Iterator
from io import StringIO

import pytest
from alembic.config import Config
from httpx import AsyncClient
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from alembic import command
from app.core.config import PROJECT_DIR, settings
from app.core.database import database
from app.core.outages import reason
from app.main import app
from app.models import Base, User
from app.server.logging import JsonFormatter
from app.tests.database import database_of_the_loop
from app.tests.helpers import (
    CLIENT_IP,
    AuditLines,
    Json,
    assert_documented,
    bearer,
    begin,
    client_at,
    connect,
    hash_of_password,
    make_empty,
)
from app.tests.other_settings import other_settings

# One statement empties all tables in one round trip.
DELETE_ALL_ROWS = select(1).add_cte(*(table.delete().cte() for table in Base.metadata.sorted_tables))


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was imported: walking through it took a seventh of the time."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@pytest.fixture(scope="session", autouse=True)
def migrated_database() -> None:
    """This worker's database, empty and at the newest migration."""
    url, worker = settings.sqlalchemy_url, os.environ.get("PYTEST_XDIST_WORKER")
    common = url.set(database=str(url.database).removesuffix(f"_{worker}"))
    try:
        asyncio.run(make_empty(url, common))
    except (DBAPIError, OSError) as error:
        pytest.exit(f"The database of TEST_DATABASE_URL is unavailable: {reason(error)}.", returncode=1)
    command.upgrade(Config(PROJECT_DIR / "alembic.ini"), "head")


@pytest.fixture(scope="session")
async def application(migrated_database: None) -> AsyncIterator[None]:
    """Start the application before the first test and stop it after the last."""
    database_of_the_loop.tests_loop = asyncio.get_running_loop()
    async with app.router.lifespan_context(app):
        yield


@pytest.fixture
async def empty_tables(application: None) -> AsyncIterator[None]:
    """Empty all tables after the test."""
    yield
    await database.fetch_all(DELETE_ALL_ROWS)


@pytest.fixture
async def empty_database(application: None) -> AsyncIterator[AsyncConnection]:
    """A connection to an empty database, on which the migrations will run."""
    url = settings.sqlalchemy_url.set(database=f"{settings.sqlalchemy_url.database}_migrations")
    await make_empty(url, settings.sqlalchemy_url)
    async with connect(url) as connection:
        with other_settings(TEST_DATABASE_URL=url.render_as_string(hide_password=False)):
            yield connection


@pytest.fixture
def client(empty_tables: None) -> AsyncClient:
    """A client of the application. Paths are relative to API_PREFIX, and an undocumented response fails the test."""
    client = client_at("198.51.100.1")
    client.event_hooks = {"response": [assert_documented]}
    return client


@pytest.fixture
async def session(empty_tables: None) -> AsyncIterator[AsyncSession]:
    """The test's own session: it sees only what others have committed."""
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


@pytest.fixture
def one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock: a code must not grow old between the test and the application."""
    moment = time.time()
    monkeypatch.setattr(time, "time", lambda: moment)


@pytest.fixture
def audit_lines() -> Iterator[AuditLines]:
    """The lines written since the last call, in production's format, without the fields that all lines have."""
    output = StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(JsonFormatter())
    logging.getLogger("app.audit").addHandler(handler)

    def lines() -> list[Json]:
        written = [json.loads(line) for line in output.getvalue().splitlines()]
        output.seek(0)
        output.truncate()
        for line in written:
            assert line.pop("message") == line["event"]
            assert line.pop("client") == CLIENT_IP
            assert (line.pop("level"), line.pop("logger")) == ("INFO", "app.audit")
            assert line.pop("time")
            assert line.pop("request_id")
        return written

    yield lines
    logging.getLogger("app.audit").removeHandler(handler)


async def _create(session: AsyncSession, user: User) -> User:
    session.add(user)
    await session.commit()
    return user
