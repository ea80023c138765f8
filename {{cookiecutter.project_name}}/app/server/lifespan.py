"""What happens when a process starts and ends."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core.config import settings
from app.core.database import Database, database
from app.server.health import PROBE_TIMEOUT
from app.server.shutdown import delay_shutdown, uvicorn_server

logger = logging.getLogger("app.connections")

Lifespan = Callable[[Database], AbstractAsyncContextManager[None]]


def lifespan(meanwhile: Sequence[Lifespan]) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Start and end the process, with what runs beside the requests."""

    @asynccontextmanager
    async def start_and_end(_: FastAPI) -> AsyncIterator[None]:
        if names := ", ".join(settings.ignored_parameters):
            logger.info("Of DATABASE_URL, these parameters change nothing: %s. See docs/database-urls.md.", names)
        if (server := uvicorn_server()) is not None:
            complete_options(server.config)
            delay_shutdown(server)
        await warn_of_too_few_connections()
        # Everything imported so far stays. Freezing it saves the garbage collector 30 ms in each full collection.
        gc.freeze()
        gc.set_threshold(10_000)  # instead of 700: with 32 requests under way, a list takes 0.97 of the CPU
        async with AsyncExitStack() as running:
            for run in meanwhile:
                await running.enter_async_context(run(database))
            yield
        await database.dispose()

    return start_and_end


def complete_options(config: Any) -> None:
    """Give Uvicorn what our commands give it: `fastapi run` and `fastapi dev` have no options for these."""
    from app.server.protocol import BoundedHttp  # noqa: PLC0415 — loads uvicorn, which another server doesn't need

    if config.http_protocol_class in BoundedHttp.__bases__:
        config.http_protocol_class = BoundedHttp
    if config.timeout_graceful_shutdown is None:  # which is to wait for ever
        config.timeout_graceful_shutdown = settings.shutdown_timeout


_GRANTED: Final = text("""
    SELECT least(
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
            - coalesce(current_setting('reserved_connections', true), '0')::int,
        (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
        (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
    )
""")


async def warn_of_too_few_connections() -> None:
    """Compare what all processes together may open, each a pool and one for a probe, with what PostgreSQL grants."""
    if settings.database_pooler != "none":
        return  # PgBouncer limits them
    pool_size, processes, replicas = settings.database_pool_size, settings.web_concurrency, settings.max_replicas
    needed = (pool_size + 1) * processes * replicas
    try:
        async with asyncio.timeout(PROBE_TIMEOUT), database.probe() as connection:
            granted = await connection.scalar(_GRANTED)
    except (DBAPIError, OSError, TimeoutError):
        return  # the readiness check reports a database that is down
    if needed > granted:
        logger.warning(
            "Too few database connections: (DATABASE_POOL_SIZE %s + 1) x WEB_CONCURRENCY %s x MAX_REPLICAS %s = %s,"
            " but PostgreSQL grants %s. See docs/scaling.md.",
            *(pool_size, processes, replicas, needed, granted),
        )
