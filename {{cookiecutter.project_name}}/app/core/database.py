"""The engine, and what hands out its connections."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, TypeVarTuple

from sqlalchemy import QueuePool, Row, event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import TypedReturnsRows

from app.core.config import PROJECT, settings

Columns = TypeVarTuple("Columns")

CONNECT_ARGS: Final[dict[str, Any]] = {
    "timeout": settings.database_connect_timeout,
    # The server gives up first, and says why; this is for a server that doesn't answer at all.
    "command_timeout": settings.database_statement_timeout + 5,
    "server_settings": {
        "application_name": PROJECT["name"],
        "statement_timeout": f"{settings.database_statement_timeout}s",
        "lock_timeout": f"{settings.database_lock_timeout}s",
        "idle_in_transaction_session_timeout": f"{settings.database_idle_in_transaction_timeout}s",
    },
}
if settings.database_pooler == "transaction":
    # Each transaction may meet another connection of PgBouncer's: nothing may be prepared or set on one for later.
    CONNECT_ARGS.update(statement_cache_size=0, server_settings={"application_name": PROJECT["name"]})

# For a statement by itself, which PostgreSQL makes atomic anyway: without BEGIN and COMMIT one round trip, not three.
autocommit = create_async_engine(
    settings.sqlalchemy_url,
    connect_args=CONNECT_ARGS,
    isolation_level="AUTOCOMMIT",
    pool_size=settings.database_pool_size,
    max_overflow=0,  # what a worker takes is what it is allowed, also in a storm
    pool_timeout=settings.database_pool_timeout,
    hide_parameters=True,  # they would end in a log
)

# For transactions, on connections of the same pool. (The other way round, each read would change the mode to and fro.)
engine = autocommit.execution_options(isolation_level="READ COMMITTED")

# What was committed stays readable: nothing is loaded again behind a route's back.
new_session = async_sessionmaker(engine, expire_on_commit=False)


@event.listens_for(autocommit.sync_engine, "checkout")
def _replace_closed_connection(connection: Any, *_: object) -> None:
    # The driver knows when the server has hung up: asking it costs nothing, `pool_pre_ping` a round trip each time.
    if connection.driver_connection.is_closed():
        raise DisconnectionError


# Waiting here is fair and cheap; in the pool's own queue newcomers overtake, and each wait costs a task.
_free_connections = asyncio.Semaphore(settings.database_pool_size)
_bridge = AsyncSession()


def connections_in_use() -> int:
    """How many of this process's DATABASE_POOL_SIZE connections are taken."""
    pool = autocommit.pool
    assert isinstance(pool, QueuePool)  # noqa: S101
    return pool.checkedout()


async def fetch(statement: TypedReturnsRows[*Columns], **parameters: object) -> Sequence[Row[*Columns]]:
    """Run one statement by itself, commit it, and return its rows: one round trip.

    Build the statement once, at import, with `bindparam` for what varies: that takes longer than running it.
    """
    async with asyncio.timeout(settings.database_pool_timeout):
        await _free_connections.acquire()
    try:
        # `run_sync` is the public way into SQLAlchemy's greenlet: entered once, not once each to connect, execute and
        # close, it saves a tenth of a small request.
        return await _bridge.run_sync(_fetch, statement, parameters)
    finally:
        _free_connections.release()


def _fetch(_: Session, statement: TypedReturnsRows[*Columns], parameters: dict[str, object]) -> Sequence[Row[*Columns]]:
    with autocommit.sync_engine.connect() as connection:
        return connection.execute(statement, parameters).all()


async def read(statement: TypedReturnsRows[*Columns], **parameters: object) -> Sequence[Row[*Columns]]:
    """The same for a statement that only reads: tried once more if the connection broke under it."""
    try:
        return await fetch(statement, **parameters)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    return await fetch(statement, **parameters)
