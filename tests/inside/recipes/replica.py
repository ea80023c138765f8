"""A replica."""

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from sqlalchemy import delete, func, select
from sqlalchemy.exc import DBAPIError

from app.api.deps import Replica, get_replica
from app.core.database import database
from app.models import User

app = FastAPI()


@app.get("/users")
async def count_users(replica: Replica) -> int | None:
    row = await replica.fetch_one(select(func.count()).select_from(User))
    return row and row[0]


@app.delete("/users")
async def delete_users(replica: Replica) -> None:
    await replica.execute(delete(User))


@app.delete("/users-in-a-session")
async def delete_users_in_a_session(replica: Replica) -> None:
    async with replica.session.begin() as session:
        await session.execute(delete(User))


async def test_replica_reads_and_refuses_to_write(default_user: User) -> None:
    client = AsyncClient(transport=ASGITransport(app), base_url="http://test")
    assert (await client.get("/users")).json() == 1
    for path in ("/users", "/users-in-a-session"):
        with pytest.raises(DBAPIError, match="read-only transaction"):
            await client.delete(path)
    assert (await client.get("/users")).json() == 1


async def test_one_override_replaces_the_replica(default_user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.dependency_overrides, get_replica, lambda: database)
    client = AsyncClient(transport=ASGITransport(app), base_url="http://test")
    await client.delete("/users")
    assert (await client.get("/users")).json() == 0
