"""A database that fails, clients that are slow, and a server that is told to stop."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from httpx import AsyncClient, ConnectError, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.errors import NOT_NOW
from app.core.config import PROJECT_DIR, settings
from app.core.database import database
from app.models import User
from app.server import health
from app.tests.helpers import (
    PASSWORD,
    PATIENCE,
    begin,
    connect,
    free_port,
    is_logged_in,
    make_empty,
    refresh,
    try_login,
    waiting_for_locks,
)
from app.tests.other_settings import application_with

ANA = {"email": "ana@example.com", "password": PASSWORD}


def assert_not_now(response: Response) -> None:
    assert response.status_code == 503, response.text
    assert response.json()["detail"] == NOT_NOW
    assert response.headers["Retry-After"] == "1"


async def lock_users(session: AsyncSession) -> None:
    """Make everybody else wait for users until `session` ends its transaction."""
    await session.execute(text("LOCK TABLE users IN ACCESS EXCLUSIVE MODE"))


async def terminate_connections(session: AsyncSession) -> None:
    """Terminate all connections but the session's own, and return once the driver has noticed."""
    await session.execute(text("SELECT pg_stat_clear_snapshot()"))  # or the transaction keeps seeing its first one
    closed = asyncio.Event()
    async with database.engine.connect() as idle:
        driver: Any = (await idle.get_raw_connection()).driver_connection
        driver.add_termination_listener(lambda _: closed.set())
    await session.execute(
        text(
            "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid != pg_backend_pid()"
        )
    )
    async with asyncio.timeout(PATIENCE):
        await closed.wait()


async def register(client: AsyncClient) -> Response:
    return await client.post("/users/register", json=ANA)


async def test_unreachable_database_is_a_503(default_user_headers: dict[str, str]) -> None:
    async with application_with(TEST_DATABASE_URL="postgresql://nobody:nothing@127.0.0.1:1/test") as client:
        assert_not_now(await client.get("/users/me", headers=default_user_headers))
        assert_not_now(await try_login(client, ANA["email"]))
        assert_not_now(await register(client))


async def test_reads_and_writes_survive_terminated_connections(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    await session.connection()  # checks one out, so that the pool needs another
    tokens = await begin(default_user)
    await terminate_connections(session)
    tokens = await refresh(client, tokens)  # a write without a read before it
    await terminate_connections(session)
    assert await is_logged_in(client, tokens)


@pytest.fixture
async def failing_pets(request: pytest.FixtureRequest, empty_tables: None) -> AsyncIterator[None]:
    """Make every INSERT of a pet fail with this SQLSTATE."""
    raising = f"BEGIN RAISE EXCEPTION 'as if' USING ERRCODE = '{request.param}'; END"
    async with database.engine.begin() as connection:
        await connection.execute(text(f"CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ {raising} $$"))
        await connection.execute(text("CREATE TRIGGER fail BEFORE INSERT ON pets FOR EACH ROW EXECUTE FUNCTION fail()"))
    yield
    async with database.engine.begin() as connection:
        await connection.execute(text("DROP FUNCTION fail CASCADE"))


@pytest.mark.parametrize(
    "failing_pets",
    [
        pytest.param("40001", id="serialization failure"),
        pytest.param("40P01", id="deadlock"),
        pytest.param("25006", id="read-only after a failover"),
        pytest.param("53300", id="out of connections"),
        pytest.param("57014", id="statement stopped by an operator"),
        pytest.param("57P01", id="shutdown"),
    ],
    indirect=True,
)
async def test_temporary_failure_of_the_database_is_a_503(
    client: AsyncClient, default_user_headers: dict[str, str], failing_pets: None
) -> None:
    assert_not_now(await client.post("/pets/create", json={"pet_name": "Rex"}, headers=default_user_headers))
    assert (await client.get("/pets/me", headers=default_user_headers)).json() == []


@pytest.mark.parametrize("setting", ["DATABASE_LOCK_TIMEOUT", "DATABASE_STATEMENT_TIMEOUT"])
async def test_waiting_for_the_database_is_bounded(session: AsyncSession, setting: str) -> None:
    await lock_users(session)
    async with application_with(**{setting: "1"}) as client:
        response = await register(client)
    assert_not_now(response)
    assert response.elapsed < timedelta(seconds=PATIENCE / 2)  # every other limit is PATIENCE


async def test_database_that_accepts_but_never_responds_is_a_503(application: None) -> None:
    over = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        url = f"postgresql://nobody:nothing@{host}:{port}/test"
        async with application_with(TEST_DATABASE_URL=url, DATABASE_CONNECT_TIMEOUT="1") as client:
            assert_not_now(await register(client))
        over.set()


async def test_exhausted_pool_is_a_503_and_does_not_starve_readiness(
    session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PROBE_TIMEOUT", PATIENCE)
    await lock_users(session)
    async with application_with(DATABASE_POOL_SIZE="1", DATABASE_POOL_TIMEOUT="1") as client:
        waiting = asyncio.create_task(register(client))
        await waiting_for_locks(1)
        queued, ready = await asyncio.gather(register(client), client.get("/health/ready"))
        assert_not_now(queued)
        assert ready.status_code == 200
        await session.rollback()
        assert (await waiting).status_code == 201


async def test_unfinished_body_holds_no_connection(client: AsyncClient, default_user_headers: dict[str, str]) -> None:
    half_is_read, send_the_rest = asyncio.Event(), asyncio.Event()

    async def slow_body() -> AsyncIterator[bytes]:
        yield b'{"pet_name":'
        half_is_read.set()
        await send_the_rest.wait()
        yield b'"Rex"}'

    headers = default_user_headers | {"Content-Type": "application/json"}
    request = asyncio.create_task(client.post("/pets/create", content=slow_body(), headers=headers))
    async with asyncio.timeout(PATIENCE):
        await half_is_read.wait()
    assert database.connections_in_use == 0
    send_the_rest.set()
    assert (await request).status_code == 201


async def test_sigterm_fails_readiness_and_finishes_requests_in_progress(session: AsyncSession) -> None:
    port = free_port()
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port), "--no-access-log"),
        cwd=PROJECT_DIR,
        env=os.environ | {"SHUTDOWN_DELAY": "5"},
    )
    base_url = f"http://127.0.0.1:{port}{settings.api_prefix}"
    async with AsyncClient(base_url=base_url, headers={"Host": settings.allowed_hosts[0]}, timeout=PATIENCE) as client:
        try:
            async with asyncio.timeout(PATIENCE):
                while not await answers(client):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            await lock_users(session)
            request = asyncio.create_task(register(client))
            await waiting_for_locks(1)

            server.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE):
                while (response := await client.get("/health/ready")).json()["checks"] != {"server": "stopping"}:
                    assert response.status_code == 200
                assert (response.status_code, response.json()["status"]) == (503, "failed")
                while await answers(client):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            assert not request.done()
            await session.rollback()
            assert (await request).status_code == 201
            assert await server.wait() == 0
        finally:
            if server.returncode is None:
                server.kill()


async def test_ten_replicas_that_start_at_once_set_up_the_database_once(application: None) -> None:
    url = settings.sqlalchemy_url.set(database=f"{settings.sqlalchemy_url.database}_replicas")
    await make_empty(url, settings.sqlalchemy_url)
    environment = os.environ | {"TEST_DATABASE_URL": url.render_as_string(hide_password=False), "VENV": sys.prefix}
    replicas = [
        await asyncio.create_subprocess_exec(
            *("bash", "init.sh"), cwd=PROJECT_DIR, env=environment, stdout=PIPE, stderr=STDOUT
        )
        for _ in range(10)
    ]
    output = "".join([(await replica.communicate())[0].decode() for replica in replicas])
    assert [replica.returncode for replica in replicas] == [0] * 10, output
    migrations = ScriptDirectory.from_config(Config(PROJECT_DIR / "alembic.ini")).walk_revisions()
    assert output.count("Running upgrade") == len(list(migrations)), output
    async with connect(url) as connection:
        assert await connection.scalar(text("SELECT count(*) FROM users WHERE is_superuser")) == 1


async def answers(client: AsyncClient) -> bool:
    try:
        return (await client.get("/health/live")).status_code == 200
    except ConnectError:
        return False
