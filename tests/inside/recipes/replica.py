"""A replica."""

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from sqlalchemy import delete, func, select
from sqlalchemy.exc import DBAPIError

from app.api.deps import ReplicaSession
from app.models import User

app = FastAPI()


@app.get("/users")
async def count_users(session: ReplicaSession) -> int | None:
    return await session.scalar(select(func.count()).select_from(User))


@app.delete("/users")
async def delete_users(session: ReplicaSession) -> None:
    await session.execute(delete(User))
    await session.commit()


async def test_replica_reads_and_refuses_to_write(default_user: User) -> None:
    client = AsyncClient(transport=ASGITransport(app), base_url="http://test")
    assert (await client.get("/users")).json() == 1
    with pytest.raises(DBAPIError, match="read-only transaction"):
        await client.delete("/users")
    assert (await client.get("/users")).json() == 1
