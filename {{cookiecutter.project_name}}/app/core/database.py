"""The database: single statements, sessions for several, and the pool that serves both."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, TypeVarTuple

from sqlalchemy import URL, Connection, NullPool, QueuePool, Row, Select, event, insert
from sqlalchemy.exc import DBAPIError, DisconnectionError, MissingGreenlet
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Mapper, Session, object_mapper
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.dml import ReturningInsert, UpdateBase
from sqlalchemy.sql.selectable import TypedReturnsRows
from sqlalchemy.sql.visitors import iterate
from sqlalchemy.util.concurrency import in_greenlet

from app.core.config import PROJECT, settings
from app.core.outages import is_outage
from app.core.prepared import Prepared
from app.models import Base

Columns = TypeVarTuple("Columns")
Result = TypeVar("Result")
Parameters = Mapping[str, Any]


def connect_args(url: URL) -> dict[str, Any]:
    """The arguments of asyncpg's `connect`, which bound all waits."""
    is_named = "application_name=" in str(url.query.get("dsn"))
    names = {} if is_named else {"application_name": PROJECT["name"]}
    limits = {
        "statement_timeout": f"{settings.database_statement_timeout}s",
        "lock_timeout": f"{settings.database_lock_timeout}s",
        "idle_in_transaction_session_timeout": f"{settings.database_idle_in_transaction_timeout}s",
    }
    timeouts = {
        "timeout": settings.database_connect_timeout,
        # The server gives up first, and says why; `command_timeout` is for a server that doesn't respond at all.
        "command_timeout": settings.database_statement_timeout + 5,
    }
    if settings.database_pooler == "transaction":
        # PgBouncer may give each transaction another connection, so nothing can be prepared or set on one for later.
        return timeouts | {"server_settings": names, "statement_cache_size": 0}
    return timeouts | {"server_settings": names | limits}


class Database:
    """A PostgreSQL database, behind one pool of connections.

    Each of `fetch_all`, `fetch_one`, `execute` and `insert` is a transaction of its own, in one round trip to the
    server: PostgreSQL commits a single statement by itself. For several statements that belong together, open a
    `session()`, and commit it. A request that needs a session uses it for everything: requests that hold one
    connection and wait for a second can starve the pool.
    """

    def __init__(self, url: URL) -> None:
        pool_size = settings.database_pool_size
        # Connections are in autocommit mode until a session asks for a transaction: the other way round, each
        # single statement would switch the mode twice.
        self._autocommit = create_async_engine(
            url,
            connect_args=connect_args(url),
            isolation_level="AUTOCOMMIT",
            pool_size=pool_size,
            max_overflow=0,  # a process never opens more connections than its share
            pool_timeout=settings.database_pool_timeout,
            hide_parameters=True,  # error messages with parameters would end up in the log
        )
        self.engine = self._autocommit.execution_options(isolation_level="READ COMMITTED")
        # Committed objects stay readable: loading them again would need an await.
        self.session = async_sessionmaker(self.engine, expire_on_commit=False)
        event.listen(self._autocommit.sync_engine, "checkout", _replace_closed_connection)
        event.listen(self._autocommit.sync_engine, "do_connect", _refuse_to_block)
        self._unpooled = create_async_engine(
            url, connect_args=connect_args(url), poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        # This queue is fair and cheap; in the pool's own, newcomers overtake others and each wait costs a task.
        self._free_connections = asyncio.Semaphore(pool_size)
        self._greenlet = AsyncSession()

    async def fetch_all(
        self, statement: TypedReturnsRows[*Columns], parameters: Parameters | None = None
    ) -> Sequence[Row[*Columns]]:
        """Run one statement and return all its rows. Retries once if the connection breaks and it only reads.

        The rows have columns, not objects: select those that you need, or `*Pet.__table__.columns`.
        """
        if settings.environment != "production":  # it takes up to 0.2 ms, and helps only those who write the statement
            _refuse_objects(statement)

        def fetch(connection: Connection) -> Sequence[Row[*Columns]]:
            return connection.execute(statement, parameters).all()

        try:
            return await self._run(fetch)
        except DBAPIError as error:
            if not (error.connection_invalidated and _only_reads(statement)):
                raise
        return await self._run(fetch)

    async def fetch_one(
        self, statement: TypedReturnsRows[*Columns], parameters: Parameters | None = None
    ) -> Row[*Columns] | None:
        """Run one statement and return its first row, or None if there is none."""
        rows = await self.fetch_all(statement, parameters)
        return rows[0] if rows else None

    async def fetch_prepared(self, prepared: Prepared, parameters: Parameters) -> dict[str, Any] | None:
        """`fetch_one` in half its time, for what most requests ask: SQLAlchemy only lends the connection."""
        if settings.database_pooler == "none":  # PgBouncer may give another connection between two messages
            await self._take_turn()
            try:
                return await prepared.fetch_one(self._autocommit.sync_engine.raw_connection(), parameters)
            except MissingGreenlet:  # no connection is idle: one has to be opened, or waited for
                pass
            except DBAPIError as error:
                # As in `fetch_all`. What PostgreSQL refuses, it refuses again, and SQLAlchemy raises its own error.
                may_repeat = _only_reads(prepared.statement) if error.connection_invalidated else not is_outage(error)
                if not may_repeat:
                    raise
            finally:
                self._free_connections.release()
        row = await self.fetch_one(prepared.statement, parameters)
        return None if row is None else dict(row._mapping)

    async def execute(self, statement: UpdateBase, parameters: Parameters | None = None) -> int:
        """Run one INSERT, UPDATE or DELETE and return how many rows it changed."""
        return await self._run(lambda connection: connection.execute(statement, parameters).rowcount)

    async def insert(self, instance: Base) -> None:
        """INSERT one new object; afterwards it has the values that the database filled in."""
        mapper = object_mapper(instance)
        given = [attribute for attribute in mapper.column_attrs if attribute.key in vars(instance)]
        statement, prepared, rest = _insertion(mapper, tuple(attribute.key for attribute in given))
        values = {attribute.columns[0].key: getattr(instance, attribute.key) for attribute in given}
        if prepared:
            row = tuple((await self.fetch_prepared(prepared, values) or {}).values())
        else:
            row = tuple(await self._run(lambda connection: connection.execute(statement, values).one()))
        for name, value in zip(rest, row, strict=False):
            set_committed_value(instance, name, value)

    def probe(self) -> AsyncConnection:
        """A connection outside the pool, for `async with`: a busy pool doesn't mean that the database is down."""
        return self._unpooled.connect()

    async def dispose(self) -> None:
        """Close all connections."""
        await self.engine.dispose()

    @property
    def connections_in_use(self) -> int:
        pool = self._autocommit.pool
        assert isinstance(pool, QueuePool)  # noqa: S101
        return pool.checkedout()

    async def _run(self, work: Callable[[Connection], Result]) -> Result:
        def connect_and_work(_: Session) -> Result:
            with self._autocommit.sync_engine.connect() as connection:
                return work(connection)

        await self._take_turn()
        try:
            # SQLAlchemy's public way into its greenlet. Entering it once, instead of once each to connect, execute and
            # close, makes a small request 10 % faster.
            return await self._greenlet.run_sync(connect_and_work)
        finally:
            self._free_connections.release()

    async def _take_turn(self) -> None:
        if self._free_connections.locked():
            async with asyncio.timeout(settings.database_pool_timeout):
                await self._free_connections.acquire()
        else:
            await self._free_connections.acquire()  # doesn't wait, so it needs no time limit


def _refuse_objects(statement: TypedReturnsRows[*tuple[Any, ...]]) -> None:
    """Raises TypeError for `select(Pet)`, which a type checker takes for objects, and which would return columns."""
    described = statement.column_descriptions if isinstance(statement, Select) else []
    for column in described:
        if "entity" in column and column["entity"] is column["expr"]:
            name = column["type"].__name__
            raise TypeError(
                f"A single statement returns columns, and no {name} objects: select(*{name}.__table__.columns) or some "
                "of them. For objects, with what they are related to, let the route take `session: DbSession`."
            )


def _only_reads(statement: TypedReturnsRows[*tuple[Any, ...]]) -> bool:
    # A SELECT may have an INSERT, UPDATE or DELETE in its WITH clause.
    return statement.is_select and not any(isinstance(part, UpdateBase) for part in iterate(statement))


@cache
def _insertion(mapper: Mapper[Base], given: tuple[str, ...]) -> tuple[ReturningInsert[Any], Prepared | None, list[str]]:
    """The INSERT of an object with these attributes, prepared unless SQLAlchemy makes defaults, and what it returns.

    Built once: with a session's flush, a request that creates something would take 1.4 times as long.
    """
    rest = [attribute for attribute in mapper.column_attrs if attribute.key not in given]
    returned: Sequence[Any] = [attribute.columns[0] for attribute in rest] or mapper.primary_key
    table: Any = mapper.local_table
    statement = insert(table).returning(*returned)
    has_defaults = any(attribute.columns[0].default is not None for attribute in rest)
    columns = [mapper.column_attrs[name].columns[0].key for name in given]
    return statement, None if has_defaults else Prepared(statement, columns), [attribute.key for attribute in rest]


def _replace_closed_connection(connection: Any, *_: object) -> None:
    # The driver knows when the server has closed the connection; `pool_pre_ping` would cost a round trip each time.
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _refuse_to_block(*_: object) -> None:
    # SQLAlchemy would notice, too, but only after it has begun to connect.
    if not in_greenlet():
        raise MissingGreenlet


database = Database(settings.sqlalchemy_url)
