"""Run the application with other settings: it reads each setting when it uses it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from unittest.mock import patch

from fastapi import FastAPI
from httpx import AsyncClient

from app.api.deps import get_database
from app.core.config import Settings, settings
from app.core.database import Database
from app.main import create_app
from app.server.logging import set_up_logging
from app.tests.helpers import client_at


@contextmanager
def other_settings(**variables: str | None) -> Iterator[None]:
    """Set these variables for the duration; all others keep the tests' values."""
    values = settings.model_dump() | {name.lower(): value for name, value in variables.items()}
    with patch.dict(vars(settings), vars(Settings(**values)), clear=True):
        yield


@asynccontextmanager
async def other_application(**variables: str | None) -> AsyncIterator[FastAPI]:
    """An application with these variables and its own connection pool."""
    with other_settings(**variables):
        app, database = create_app(), Database(settings.sqlalchemy_url)

        async def get_other_database() -> Database:
            return database

        app.dependency_overrides[get_database] = get_other_database
        try:
            yield app
        finally:
            await database.dispose()
    set_up_logging()


@asynccontextmanager
async def application_with(**variables: str | None) -> AsyncIterator[AsyncClient]:
    """A client of an application with these variables."""
    async with other_application(**variables) as app:
        yield client_at("198.51.100.1", app)
