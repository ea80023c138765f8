"""Helpers that several test files share."""

import asyncio
import os
import re
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.request import urlopen

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from passlib.context import CryptContext
from sqlalchemy import URL, Engine, NullPool, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from app import features
from app.auth.accounts import find_account
from app.auth.caller import Caller
from app.auth.clients import Client
from app.auth.sessions import begin_session
from app.core.config import settings
from app.core.database import database
from app.core.prepared import Prepared
from app.main import app
from app.models import Base, User

PASSWORD = "correct horse battery staple"
PATIENCE = 120  # seconds for what comes at once on an idle machine
CLIENT_IP = "198.51.100.1"
Json = dict[str, Any]
AuditLines = Callable[[], list[Json]]  # the lines of the audit log since the last call

# A caller whom no database knows.
CALLER = Caller(
    id=uuid.uuid4(),
    email="somebody@example.com",
    is_superuser=True,
    session_id=uuid.uuid4(),
    login_method="password",
    is_recent=True,
)


def said_by_features(name: str) -> list[Any]:
    """The modules of this name in the features' tests: what they say of their routes, for example."""
    folder = Path(features.__file__).parents[2]
    return [
        import_module(".".join(path.relative_to(folder).with_suffix("").parts))
        for path in sorted(Path(features.__file__).parent.glob(f"**/tests/{name}.py"))
    ]


def client_at(ip: str, app: FastAPI = app) -> AsyncClient:
    """A client of this application with this IP address."""
    return AsyncClient(
        transport=ASGITransport(app, client=(ip, 50_000)),
        base_url=f"https://{settings.allowed_hosts[0]}{settings.api_prefix}",
    )


@cache
def hash_of_password(scheme: str = "bcrypt_sha256", rounds: int = 4) -> str:
    return str(CryptContext([scheme]).handler(scheme).using(rounds=rounds).hash(PASSWORD))


async def begin(user: User) -> Json:
    """Begin a session as a login does, but without hashing a password, and return its tokens."""
    client = Client(CLIENT_IP, "a test")
    account = await find_account(database, user.id, client)
    assert account is not None
    tokens = await begin_session(database, account, client, "password")
    assert tokens is not None
    return tokens._asdict()


async def login(client: AsyncClient, user: User, password: str = PASSWORD) -> Json:
    return tokens_in(await try_login(client, user.email, password))


async def try_login(client: AsyncClient, email: str, password: str = PASSWORD) -> Response:
    return await client.post("/auth/access-token", data={"username": email, "password": password})


async def refresh(client: AsyncClient, tokens: Json) -> Json:
    return tokens_in(await try_refresh(client, tokens["refresh_token"]))


async def try_refresh(client: AsyncClient, refresh_token: str) -> Response:
    return await client.post("/auth/refresh-token", json={"refresh_token": refresh_token})


def tokens_in(response: Response) -> Json:
    assert response.status_code == 200, response.text
    tokens: Json = response.json()
    return tokens


def bearer(tokens: Json) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def walk(client: AsyncClient, url: str, headers: dict[str, str]) -> list[list[Json]]:
    """Fetch all pages of a list by following its links."""
    pages: list[list[Json]] = []
    while url:
        assert len(pages) < 100, "the links form a loop"
        response = await client.get(url, headers=headers)
        assert response.status_code == 200
        pages.append(response.json())
        url = next_page(response)
    return pages


def next_page(response: Response) -> str:
    """The absolute URL of the `Link` to the next page; empty on the last."""
    return str(response.url.join(response.links["next"]["url"])) if "next" in response.links else ""


async def is_logged_in(client: AsyncClient, tokens: Json) -> bool:
    """Whether the access token still works."""
    response = await client.get("/users/me", headers=bearer(tokens))
    assert response.status_code in {200, 401}, response.text
    return response.status_code == 200


async def assert_documented(response: Response) -> None:
    """Fail if the specification doesn't list the status of this response."""
    for path, operations in _documented_statuses():
        if path.fullmatch(response.request.url.path):
            # The specification says nothing about methods that the path doesn't have.
            statuses = operations.get(response.request.method, {str(response.status_code)})
            assert str(response.status_code) in statuses, f"{response.request}: {response.status_code} is undocumented"
            return


@cache
def _documented_statuses() -> list[tuple[re.Pattern[str], dict[str, set[str]]]]:
    paths = app.openapi()["paths"]
    return [
        (
            re.compile(re.sub(r"\{\w+\}", "[^/]+", path)),
            {method.upper(): set(operation["responses"]) for method, operation in paths[path].items()},
        )
        for path in sorted(paths, key=lambda path: path.count("{"))  # /users/me before /users/{user_id}
    ]


async def make_empty(url: URL, another: URL) -> None:
    """Empty the database at this URL, or create it by way of `another`, which is slow, if no earlier run has."""
    async with connect(another) as connection:
        is_there = text("SELECT true FROM pg_database WHERE datname = :name")
        if not await connection.scalar(is_there, {"name": url.database}):
            await connection.execute(text(f'CREATE DATABASE "{url.database}"'))
    async with connect(url) as connection:
        for schema in {"public", *(table.schema or "public" for table in Base.metadata.tables.values())}:
            await connection.execute(text(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE'))
        await connection.execute(text("CREATE SCHEMA public"))


def connect(url: URL) -> AsyncConnection:
    return create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect()


async def waiting_for_locks(count: int) -> None:
    """Return once this many connections wait for a lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(PATIENCE):
        while True:
            async with database.session() as session:
                if await session.scalar(waiting) == count:
                    return
            await asyncio.sleep(0.005)


# Each process has its own, below those that systems give to sockets that may have any.
_ports = count(20_000 + 16 * os.getpid() % 12_000)


def free_port() -> int:
    """A port that stays free until it is used."""
    while True:
        port = next(_ports)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def scrape(port: int) -> str:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as response:
        return str(response.read().decode())


def counted(scraped: str) -> dict[str, float]:
    """Each metric's value, by its name and labels."""
    return {name: float(value) for name, value in re.findall(r"^([^# ]\S*) (\S+)$", scraped, re.MULTILINE)}


@contextmanager
def recorded_statements() -> Iterator[list[str]]:
    """The SQL statements that are sent inside the block, by SQLAlchemy or by the driver."""
    statements: list[str] = []
    fetch_one = Prepared.fetch_one

    def record(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    async def record_and_fetch(prepared: Prepared, *given: Any) -> Any:
        statements.append(str(prepared.statement))
        return await fetch_one(prepared, *given)

    event.listen(Engine, "before_cursor_execute", record)
    try:
        with patch.object(Prepared, "fetch_one", record_and_fetch):
            yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", record)
