"""The database of the tests. /conftest.py loads this before anything else can import the application's.

A connection belongs to an event loop. FastAPI's TestClient has loops of its own, one for each request.
"""

import asyncio
from typing import Any, cast

from sqlalchemy import event

import app.core.database
from app.core.config import settings
from app.core.database import Database


class DatabaseOfTheLoop:
    """In the tests' loop the application's database, with its pool; in any other, connections are closed after use."""

    def __init__(self) -> None:
        self.tests_loop: asyncio.AbstractEventLoop | None = None
        self._pooled, self._unpooled = Database(settings.sqlalchemy_url), Database(settings.sqlalchemy_url)
        event.listen(self._unpooled.engine.sync_engine, "checkin", lambda _, record: record.invalidate())

    def __getattr__(self, name: str) -> Any:
        try:
            is_elsewhere = asyncio.get_running_loop() is not self.tests_loop
        except RuntimeError:  # no loop at all
            is_elsewhere = False
        return getattr(self._unpooled if is_elsewhere else self._pooled, name)


database_of_the_loop = DatabaseOfTheLoop()
app.core.database.database = cast(Database, database_of_the_loop)
