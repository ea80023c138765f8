"""How Alembic reaches the database, what it compares, and how migrations avoid disturbing replicas and requests."""

import asyncio
import logging
import sys
import time
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import chain, repeat
from typing import Any

from alembic.script.revision import MultipleHeads, ResolutionError
from alembic.util import CommandError
from sqlalchemy import Connection, NullPool, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

import app.main  # noqa: F401 — loads every model that the application uses
from alembic import context
from app.autogenerate import add_schemas_and_enums, load_models, render_enum
from app.core.config import settings
from app.core.database_url import address
from app.core.outages import is_outage, is_refusal, reason
from app.models import Base

logging.basicConfig(format="%(message)s")
logging.getLogger("alembic.runtime.migration").setLevel(logging.INFO)
logger = logging.getLogger("alembic.runtime.migration")

IGNORED_TABLES = {name.strip() for name in (context.config.get_main_option("ignored_tables") or "").split(",")}
LOCK = 2_026_112_100  # any number, as long as nothing else in this database uses it
PATIENCE = 120  # seconds: how long to wait for other replicas' migrations, and for tables that others use
# Seconds that a statement waits for a table. Later statements, even reads, queue behind it, so this is less than
# DATABASE_LOCK_TIMEOUT, and a pause follows.
LOCK_TIMEOUT = 2
PAUSES = (1, 2, 4, 8)  # seconds; the last one repeats
# Seconds that the database may take to start; in development it runs already, or nobody has started it.
CONNECT_TIMEOUT = 5 if settings.environment == "dev" else 30

NO_LOCK = {"55P03", "40P01"}  # SQLSTATEs: lock not granted in time, deadlock
NO_RIGHT = "42501"
WHERE = f"The database at {address(settings.migration_url)}"


def include_name(name: str | None, type_: str, _: Any) -> bool:
    if type_ == "schema":  # None is the default one; those without a model belong to somebody else
        return name is None or name in {table.schema for table in Base.metadata.tables.values()}
    return type_ != "table" or name not in IGNORED_TABLES


def compares_models() -> bool:
    """Whether the command is `revision --autogenerate` or `check`; upgrade and downgrade name a revision."""
    try:
        context.get_revision_argument()
    except KeyError:
        return True
    except CommandError:  # `attempt` meets the error again, and reports it
        pass
    return False


def configure(connection: Connection) -> None:
    context.configure(
        connection=connection,
        # Loading all models takes a second, which only comparing them is worth.
        target_metadata=load_models() if compares_models() else Base.metadata,
        include_schemas=True,
        include_name=include_name,
        render_item=render_enum,
        process_revision_directives=add_schemas_and_enums,
        compare_server_default=True,
        # One transaction for all would keep the tables of the first locked until the last is done.
        transaction_per_migration=True,
    )


def heads(connection: Connection) -> set[str]:
    """The migrations that the database is at."""
    found = context.get_context().get_current_heads()
    connection.rollback()
    return set(found)


def attempt(connection: Connection) -> None:
    try:
        with context.begin_transaction():
            context.run_migrations()
    except CommandError as error:
        sys.exit(in_words(error, heads(connection)))
    connection.commit()


def in_words(error: CommandError, found: set[str]) -> str:
    """Say what is wrong with a database that is at these migrations, and what to do about it."""
    known = {script.revision: script for script in context.script.walk_revisions()}
    newest = context.script.get_heads()
    if unknown := found - known.keys():
        return (
            f"{WHERE} is at migration {listed(unknown)}, which this code doesn't have: the code is older, or of another"
            " branch. Use the code that has it, or downgrade the database with that code first."
        )
    match error.__cause__:
        case MultipleHeads() if len(newest) > 1:
            return (
                f"Several migrations are the newest: {listed(newest)}. They are of branches that know nothing of each"
                " other; `python -m alembic merge heads --message merge` joins them."
            )
        case ResolutionError(argument=argument):
            nearest = get_close_matches(argument, known, n=1)
            there_are = f"did you mean {nearest[0]}?" if nearest else f"the newest is {listed(newest)}."
            return f"There is no migration {argument}; {there_are} `python -m alembic history` lists all."
    if "not up to date" in str(error):
        at = f"at migration {listed(found)}, and the newest is {listed(newest)}" if found else "without any migration"
        return f"{WHERE} is {at}. `make migrate` or `python -m alembic upgrade head` applies what is missing."
    return str(error)


def listed(migrations: Iterable[str]) -> str:
    return " and ".join(sorted(migrations))


async def migrate(connection: AsyncConnection, deadline: float) -> None:
    """Run the migrations, and retry one that doesn't get its locks: each is applied completely or not at all."""
    found = await connection.run_sync(heads)
    for pause in chain(PAUSES, repeat(PAUSES[-1])):
        try:
            return await connection.run_sync(attempt)
        except DBAPIError as error:
            sqlstate = getattr(error.orig, "sqlstate", None)
            if sqlstate == NO_RIGHT:
                sys.exit(f"{WHERE}: {reason(error)}. MIGRATION_DATABASE_URL may name another role.")
            if sqlstate not in NO_LOCK:
                raise
            await connection.rollback()
            statement = " ".join(str(error.statement).split())
        # "-2" counts from where the database is, so it would mean another migration once some have been applied.
        is_relative = str(context.get_revision_argument()).startswith(("+", "-"))
        if time.monotonic() + pause > deadline or (is_relative and await connection.run_sync(heads) != found):
            sys.exit(f"Gave up, as others use the table (pg_stat_activity shows who): {statement}")
        logger.warning("No lock within %s s, trying again in %s s: %s", LOCK_TIMEOUT, pause, statement)
        await asyncio.sleep(pause)
    return None


async def wait_for_turn(turn: AsyncConnection, deadline: float) -> None:
    """Take the lock; closing `turn` releases it. Of replicas that start together, only the first has something to do.

    The lock has a transaction of its own, since a migration's ends with each attempt, and in an `autocommit_block`.
    CREATE INDEX CONCURRENTLY there waits for every transaction that has a snapshot: no replica may keep one here.
    """
    is_waiting = False
    while not await turn.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": LOCK}):
        await turn.rollback()
        if time.monotonic() > deadline:
            sys.exit(f"The migrations of another replica have taken more than {PATIENCE} s.")
        if not is_waiting:
            logger.info("Another replica runs migrations, waiting up to %s s", PATIENCE)
            is_waiting = True
        await asyncio.sleep(0.5)
    # This also ends the SELECT, whose snapshot the driver would otherwise keep until its next statement.
    await turn.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))


def limit_lock_waits(connection: Connection) -> None:
    # For this transaction only, as there may be a PgBouncer in between. Outside of one it does nothing, which is right
    # for CREATE INDEX CONCURRENTLY: that waits for others, but blocks nobody.
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'")


async def wait_for_database(engine: AsyncEngine) -> None:
    """Wait for a database that is still starting; exit with a message if it doesn't respond or refuses."""
    deadline = time.monotonic() + CONNECT_TIMEOUT
    is_waiting = False
    while True:
        try:
            async with engine.connect():
                return
        except (DBAPIError, OSError, TimeoutError) as error:
            if is_refusal(error) or not is_outage(error) or time.monotonic() > deadline:
                sys.exit(f"{WHERE} is unavailable: {reason(error)}.")
        if not is_waiting:
            logger.info("%s doesn't respond yet, waiting up to %s s", WHERE, CONNECT_TIMEOUT)
            is_waiting = True
        await asyncio.sleep(0.5)


async def migrate_online() -> None:
    # Without prepared statements, as there may be a PgBouncer in between.
    connect_args = {"timeout": settings.database_connect_timeout, "statement_cache_size": 0}
    engine = create_async_engine(settings.migration_url, connect_args=connect_args, poolclass=NullPool)
    event.listen(engine.sync_engine, "begin", limit_lock_waits)
    await wait_for_database(engine)
    deadline = time.monotonic() + PATIENCE
    async with engine.connect() as turn, engine.connect() as connection:
        await connection.run_sync(configure)
        if await connection.run_sync(heads) != set(context.script.get_heads()):
            await wait_for_turn(turn, deadline)
        await migrate(connection, deadline)


if context.is_offline_mode():  # `alembic upgrade head --sql` prints the statements for somebody else to run
    context.configure(
        dialect_name="postgresql",
        target_metadata=Base.metadata,
        literal_binds=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(migrate_online())
