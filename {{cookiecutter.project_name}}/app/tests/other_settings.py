"""The application with other settings: it reads them once, when it is imported, and so is imported once more."""

import importlib
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from httpx import AsyncClient

from app.tests.helpers import client_at

# What depends on no setting, and what Prometheus takes once only.
SHARED = ("app.tests", "app.models", "app.schemas", "app.server.metrics")


def _modules() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == "app" and not name.startswith(SHARED)]


@contextmanager
def other_settings(**variables: str) -> Iterator[None]:
    """What is imported of the application meanwhile is imported anew, with these variables besides ours."""
    logger = logging.getLogger("app")
    handlers, level, environment = logger.handlers, logger.level, dict(os.environ)
    modules = {name: sys.modules.pop(name) for name in _modules()}
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        for name in _modules():
            del sys.modules[name]
        sys.modules.update(modules)
        logger.handlers = handlers
        logger.setLevel(level)


@asynccontextmanager
async def application_with(**variables: str) -> AsyncIterator[AsyncClient]:
    """Talks to the application with these variables besides ours."""
    with other_settings(**variables):
        main = importlib.import_module("app.main")
        try:
            yield client_at("198.51.100.1", main)
        finally:
            await main.database.dispose()
