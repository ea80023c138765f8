"""Run the application with other settings: it reads each setting when it uses it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from unittest.mock import patch

import pytest
from fastapi import FastAPI
from httpx import AsyncClient

from app.api.deps import get_database
from app.core.config import FeatureSettings, Settings, load, loaded, settings
from app.core.database import Database
from app.main import create_app
from app.server.logging import set_up_logging
from app.tests.helpers import client_at

GOOD_KEY = "Zk3vT9qLw7RbYx1NcHs5Jd8FgMp2Ua6E"


@contextmanager
def other_settings(**variables: str | None) -> Iterator[None]:
    """Set these variables for the duration, the core's and features'; all others keep the tests' values."""
    values = {name.lower(): value for name, value in variables.items()}
    with ExitStack() as stack:
        for kind, settings in loaded.items():  # the core's first, as features' checks look at them
            if changed := {name: values.pop(name) for name in kind.model_fields if name in values}:
                new = kind(**settings.model_dump() | changed)
                stack.enter_context(patch.dict(vars(settings), vars(new), clear=True))
        assert not values, f"no such settings: {', '.join(values)}"
        yield


def refusal(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    """What the program says when it refuses to start with these variables."""
    return refusal_of(Settings, monkeypatch, **environment)


def refusal_of(kind: type[FeatureSettings], monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    """The same for a feature's settings."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as exit_info:
        load(kind)
    return str(exit_info.value)


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
