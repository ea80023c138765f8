"""Migrations while the service runs: they wait for locks without making clients wait for long."""

import asyncio
import logging
import os
import re
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from httpx import AsyncClient
from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from alembic import command
from app.core.config import PROJECT_DIR, settings
from app.tests.helpers import PATIENCE, connect

ADD_COLOUR = "op.execute('ALTER TABLE pets ADD COLUMN colour text')"
DROP_COLOUR = "op.execute('ALTER TABLE pets DROP COLUMN colour')"
ADD_AGE = "op.execute('ALTER TABLE users ADD COLUMN age int')"
DROP_AGE = "op.execute('ALTER TABLE users DROP COLUMN age')"
ADD_INDEX = """with op.get_context().autocommit_block():
        op.create_index("ix_pets_name", "pets", ["pet_name"], postgresql_concurrently=True)"""
LOCK_TIMEOUT = timedelta(seconds=2)  # as in alembic/env.py


class Migrations:
    """A copy of alembic/ that a test can add migrations to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "alembic"
        shutil.copytree(PROJECT_DIR / "alembic", self.folder)
        self.ini = folder / "alembic.ini"
        ini = (PROJECT_DIR / "alembic.ini").read_text()
        self.ini.write_text(ini.replace("%(here)s/alembic", str(self.folder)).replace("%(here)s", str(PROJECT_DIR)))
        self.config = Config(self.ini)
        self.newest = str(ScriptDirectory.from_config(self.config).get_current_head())
        self.replicas: list[Process] = []

    def add(self, name: str, upgrade: str, downgrade: str) -> None:
        former = ScriptDirectory.from_config(self.config).get_current_head()
        (self.folder / f"versions/{name}.py").write_text(
            f"from alembic import op\nrevision = {name!r}\ndown_revision = {former!r}\n"
            f"def upgrade():\n    {upgrade}\n\ndef downgrade():\n    {downgrade}\n"
        )

    def change_patience(self, seconds: int) -> None:
        env = self.folder / "env.py"
        changed, count = re.subn(r"^PATIENCE = \d+", f"PATIENCE = {seconds}", env.read_text(), flags=re.MULTILINE)
        assert count == 1
        env.write_text(changed)

    async def start(self, *arguments: str) -> Process:
        """Run Alembic in its own process, as a replica does."""
        replica = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "alembic", "-c", str(self.ini), *arguments),
            cwd=PROJECT_DIR,
            env=os.environ,
            stdout=PIPE,
            stderr=STDOUT,
        )
        self.replicas.append(replica)
        return replica


@pytest.fixture
async def migrations(empty_tables: None, tmp_path: Path) -> AsyncIterator[Migrations]:
    migrations = Migrations(tmp_path)
    yield migrations
    for replica in migrations.replicas:
        if replica.returncode is None:
            replica.kill()
            await replica.wait()
    await asyncio.to_thread(command.downgrade, migrations.config, migrations.newest)


@pytest.fixture
async def watching(application: None) -> AsyncIterator[AsyncConnection]:
    async with connect(settings.sqlalchemy_url) as connection:
        yield connection


async def columns(connection: AsyncConnection, table: str) -> set[str]:
    found = await connection.run_sync(lambda sync_connection: inspect(sync_connection).get_columns(table))
    return {column["name"] for column in found}


async def output_of(replica: Process) -> str:
    async with asyncio.timeout(PATIENCE):
        return (await replica.communicate())[0].decode()


async def runs(statement: str, watching: AsyncConnection) -> None:
    """Return once a connection runs a statement that begins with this text."""
    running = text("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND starts_with(query, :statement)")
    async with asyncio.timeout(PATIENCE):
        while not await watching.scalar(running, {"statement": statement}):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_while_a_migration_waits_for_a_report_all_requests_are_served(
    client: AsyncClient,
    session: AsyncSession,
    default_user_headers: dict[str, str],
    migrations: Migrations,
    caplog: pytest.LogCaptureFixture,
) -> None:
    migrations.add("colour", ADD_COLOUR, DROP_COLOUR)
    caplog.set_level(logging.INFO, "alembic.runtime.migration")
    await session.execute(text("SELECT count(*) FROM pets"))  # the report, which holds ACCESS SHARE until it ends
    migration = asyncio.create_task(asyncio.to_thread(command.upgrade, migrations.config, "head"))
    slowest = timedelta()
    attempts: list[str] = []
    while len(attempts) < 2:
        response = await client.get("/pets/me", headers=default_user_headers)
        assert response.status_code == 200, response.text
        slowest = max(slowest, response.elapsed)
        attempts = [message for message in caplog.messages if message.startswith("No lock within 2 s, trying again")]
        await asyncio.sleep(0.01)
        assert not migration.done()
    assert slowest > LOCK_TIMEOUT / 2  # it queued behind the migration, but got its turn before the report ended
    assert all(message.endswith(": ALTER TABLE pets ADD COLUMN colour text") for message in attempts)
    await session.rollback()
    async with asyncio.timeout(PATIENCE):
        await migration
    assert await session.scalar(text("SELECT count(colour) FROM pets")) == 0
    await session.rollback()
    assert (await client.get("/pets/me", headers=default_user_headers)).status_code == 200


async def test_a_migration_that_gets_no_lock_for_too_long_ends_with_a_message(
    session: AsyncSession, migrations: Migrations, watching: AsyncConnection
) -> None:
    migrations.add("age", ADD_AGE, DROP_AGE)
    migrations.add("colour", ADD_COLOUR, DROP_COLOUR)
    migrations.change_patience(4)
    await session.execute(text("SELECT count(*) FROM pets"))
    replica = await migrations.start("upgrade", "head")
    output = await output_of(replica)
    assert replica.returncode == 1, output
    assert "Traceback" not in output
    assert output.endswith(
        "Gave up, as others use the table (pg_stat_activity shows who): ALTER TABLE pets ADD COLUMN colour text\n"
    )
    assert "age" in await columns(watching, "users")  # the first migration stays, and `users` isn't locked
    await session.rollback()
    again = await migrations.start("upgrade", "head")
    output = await output_of(again)
    assert again.returncode == 0, output
    assert output.count("Running upgrade") == 1


async def test_a_relative_downgrade_that_is_retried_stops_at_its_original_target(
    session: AsyncSession, migrations: Migrations, watching: AsyncConnection
) -> None:
    """A `downgrade -2` that has undone one migration must not undo two more when it tries again."""
    migrations.add("age", ADD_AGE, DROP_AGE)
    migrations.add("colour", ADD_COLOUR, DROP_COLOUR)
    await asyncio.to_thread(command.upgrade, migrations.config, "head")
    await session.execute(text("SELECT count(*) FROM users"))
    replica = await migrations.start("downgrade", "-2")
    output = await output_of(replica)
    assert replica.returncode == 1, output
    assert "Gave up" in output
    assert await watching.scalar(text("SELECT version_num FROM alembic_version")) == "age"
    await session.rollback()


async def test_replicas_queue_without_holding_up_an_index_that_is_built_concurrently(
    client: AsyncClient,
    session: AsyncSession,
    default_user_headers: dict[str, str],
    migrations: Migrations,
    watching: AsyncConnection,
) -> None:
    """The index waits for every transaction with an older snapshot, so no queueing replica may hold one."""
    migrations.add("name", ADD_INDEX, "op.drop_index('ix_pets_name', 'pets')")
    # The index waits for this writer before it looks for snapshots, so it would find those of the queue.
    await session.execute(text("LOCK TABLE pets IN ROW EXCLUSIVE MODE"))
    first = await migrations.start("upgrade", "head")
    await runs("CREATE INDEX CONCURRENTLY", watching)
    second = await migrations.start("upgrade", "head")
    assert second.stdout is not None
    async with asyncio.timeout(PATIENCE):
        while await second.stdout.readline() != b"Another replica runs migrations, waiting up to 120 s\n":
            assert second.returncode is None
    await asyncio.sleep(LOCK_TIMEOUT.total_seconds() + 0.5)  # which must not apply to an index that blocks nobody
    response = await client.post("/pets/create", json={"pet_name": "Rex"}, headers=default_user_headers)
    assert response.status_code == 201
    await session.rollback()
    output = [await output_of(replica) for replica in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], output
    assert "".join(output).count("Running upgrade") == 1
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = CAST('ix_pets_name' AS regclass)"
    assert await watching.scalar(text(valid))


async def test_a_replica_does_not_queue_for_ever(
    session: AsyncSession, migrations: Migrations, watching: AsyncConnection
) -> None:
    migrations.add("colour", ADD_COLOUR, DROP_COLOUR)
    await session.execute(text("SELECT count(*) FROM pets"))
    first = await migrations.start("upgrade", "head")
    await runs("ALTER TABLE pets ADD COLUMN colour", watching)
    migrations.change_patience(1)
    second = await migrations.start("upgrade", "head")
    output = await output_of(second)
    assert second.returncode == 1, output
    assert output.endswith("The migrations of another replica have taken more than 1 s.\n")
    await session.rollback()
    output = await output_of(first)
    assert first.returncode == 0, output
