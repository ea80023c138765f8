"""A database that fails, clients that dawdle, and a server that is told to stop."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from httpx import AsyncClient, ConnectError, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.errors import NOT_NOW
from app.core.config import PROJECT_DIR, settings
from app.core.database import autocommit, connections_in_use
from app.models import User
from app.tests.helpers import PASSWORD, ask, begin, is_logged_in, refresh
from app.tests.processes import elsewhere

REGISTER = ("POST", "/users/register")
ANA = {"email": "ana@example.com", "password": PASSWORD}


def assert_not_now(response: Response) -> None:
    assert response.status_code == 503, response.text
    assert response.json() == {"detail": NOT_NOW}
    assert response.headers["Retry-After"] == "1"


async def lock_users(session: AsyncSession) -> None:
    """Until `session` ends its transaction nobody reads or writes them."""
    await session.execute(text("LOCK TABLE users IN ACCESS EXCLUSIVE MODE"))


async def terminate_connections(session: AsyncSession) -> None:
    await session.execute(
        text(
            "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid != pg_backend_pid()"
        )
    )


async def register() -> Response:
    return await ask(*REGISTER, json=ANA)


async def ask_everything(headers: dict[str, str]) -> list[Response]:
    return [
        await ask("GET", "/users/me", headers=headers),
        await ask("POST", "/auth/access-token", data={"username": ANA["email"], "password": PASSWORD}),
        await register(),
    ]


async def test_database_that_is_away_is_a_503(default_user_headers: dict[str, str]) -> None:
    away = {"TEST_DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:1/test"}
    for response in await elsewhere(away, ask_everything, default_user_headers):
        assert_not_now(response)


async def test_reads_and_writes_outlive_their_connections(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    await session.connection()  # its own, so that the pool needs another
    tokens = await begin(default_user)
    await terminate_connections(session)
    tokens = await refresh(client, tokens)  # a write that no read goes before
    await terminate_connections(session)
    assert await is_logged_in(client, tokens)


@pytest.fixture
async def failing_pets(request: pytest.FixtureRequest, empty_tables: None) -> AsyncIterator[None]:
    """Each INSERT of a pet fails with this SQLSTATE."""
    raising = f"BEGIN RAISE EXCEPTION 'as if' USING ERRCODE = '{request.param}'; END"
    async with autocommit.connect() as connection:
        await connection.execute(text(f"CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ {raising} $$"))
        await connection.execute(text("CREATE TRIGGER fail BEFORE INSERT ON pets FOR EACH ROW EXECUTE FUNCTION fail()"))
    yield
    async with autocommit.connect() as connection:
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
async def test_what_may_work_in_a_moment_is_a_503(
    client: AsyncClient, default_user_headers: dict[str, str], failing_pets: None
) -> None:
    assert_not_now(await client.post("/pets/create", json={"pet_name": "Rex"}, headers=default_user_headers))
    assert (await client.get("/pets/me", headers=default_user_headers)).json() == []


@pytest.mark.parametrize("setting", ["DATABASE_LOCK_TIMEOUT", "DATABASE_STATEMENT_TIMEOUT"])
async def test_waiting_for_the_database_is_bounded(session: AsyncSession, setting: str) -> None:
    await lock_users(session)
    response = await elsewhere({setting: "1"}, register)
    assert_not_now(response)
    assert response.elapsed < timedelta(seconds=4)


async def test_database_that_accepts_and_says_nothing_is_a_503(application: None) -> None:
    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(3)
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        url = f"postgresql://nobody:nothing@{host}:{port}/test"
        assert_not_now(await elsewhere({"TEST_DATABASE_URL": url, "DATABASE_CONNECT_TIMEOUT": "1"}, register))


async def exhaust_the_pool() -> tuple[Response, Response, Response]:
    waiting = asyncio.create_task(register())
    async with asyncio.timeout(10):
        while connections_in_use() == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return await asyncio.gather(register(), ask("GET", "/health/ready"), waiting)


async def test_exhausted_pool_is_a_503_and_does_not_starve_readiness(session: AsyncSession) -> None:
    await lock_users(session)
    limits = {"DATABASE_POOL_SIZE": "1", "DATABASE_POOL_TIMEOUT": "1", "DATABASE_LOCK_TIMEOUT": "2"}
    queued, ready, waiting = await elsewhere(limits, exhaust_the_pool)
    assert_not_now(queued)
    assert_not_now(waiting)
    assert ready.status_code == 200


async def test_half_a_body_holds_no_connection(client: AsyncClient, default_user_headers: dict[str, str]) -> None:
    rest_comes = asyncio.Event()

    async def dawdle() -> AsyncIterator[bytes]:
        yield b'{"pet_name":'
        await rest_comes.wait()
        yield b'"Rex"}'

    headers = default_user_headers | {"Content-Type": "application/json"}
    request = asyncio.create_task(client.post("/pets/create", content=dawdle(), headers=headers))
    await asyncio.sleep(0.2)
    assert connections_in_use() == 0
    rest_comes.set()
    assert (await request).status_code == 201


async def test_sigterm_fails_readiness_and_finishes_what_began(session: AsyncSession) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port), "--no-access-log"),
        cwd=PROJECT_DIR,
        env=os.environ | {"SHUTDOWN_DELAY": "1"},
    )
    base_url = f"http://127.0.0.1:{port}{settings.api_prefix}"
    async with AsyncClient(base_url=base_url, headers={"Host": settings.allowed_hosts[0]}, timeout=20) as client:
        try:
            async with asyncio.timeout(30):
                while not await answers(client):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            await lock_users(session)
            request = asyncio.create_task(client.request(*REGISTER, json=ANA))
            await asyncio.sleep(0.3)

            server.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.2)
            response = await client.get("/health/ready")
            assert response.status_code == 503
            assert response.json() == {"status": "failed", "checks": {"server": "stopping"}}

            await asyncio.sleep(1.3)
            assert not await answers(client)
            assert not request.done()
            await session.rollback()
            assert (await request).status_code == 201
            assert await server.wait() == 0
        finally:
            if server.returncode is None:
                server.kill()


async def answers(client: AsyncClient) -> bool:
    try:
        return (await client.get("/health/live")).status_code == 200
    except ConnectError:
        return False
