"""What `Database` promises: statements by themselves are committed, sessions when they say so."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import settings
from app.core.database import Database, database
from app.models import Pet, User


async def names(session: AsyncSession) -> Sequence[str]:
    return (await session.scalars(select(Pet.pet_name).order_by(Pet.pet_name))).all()


async def test_each_statement_commits_by_itself(session: AsyncSession, default_user: User) -> None:
    rex = Pet(default_user.id, "Rex")
    await database.insert(rex)
    assert await names(session) == ["Rex"]

    renamed = await database.fetch_one(update(Pet).values(pet_name="Max").returning(Pet.id))
    assert renamed
    assert renamed.id == rex.id
    assert await names(session) == ["Max"]

    assert await database.execute(delete(Pet).where(Pet.id == rex.id)) == 1
    assert await database.execute(delete(Pet).where(Pet.id == rex.id)) == 0
    assert await names(session) == []


async def test_an_inserted_object_has_what_the_database_filled_in(session: AsyncSession, default_user: User) -> None:
    rex = Pet(default_user.id, "Rex")
    await database.insert(rex)
    assert rex.created_at == await session.scalar(select(Pet.created_at))


async def test_a_failed_insert_gives_its_connection_back(session: AsyncSession, default_user: User) -> None:
    for _ in range(settings.database_pool_size + 1):
        with pytest.raises(IntegrityError):
            await database.insert(User(default_user.email, "hash"))
    assert database.connections_in_use == 0


async def test_fetch_one_returns_the_first_row_or_none(session: AsyncSession, default_user: User) -> None:
    session.add_all(Pet(default_user.id, name) for name in ("Rex", "Max"))
    await session.commit()
    first = select(Pet.pet_name).order_by(Pet.pet_name)
    assert await database.fetch_one(first) == ("Max",)
    assert await database.fetch_one(first.where(Pet.pet_name == "Kim")) is None


async def test_a_session_commits_when_it_says_so(session: AsyncSession, default_user: User) -> None:
    async with database.session() as other:
        other.add(Pet(default_user.id, "Rex"))
        await other.flush()
        assert await names(session) == []
        await other.rollback()
        other.add(Pet(default_user.id, "Max"))
        await other.commit()
    await session.rollback()
    assert await names(session) == ["Max"]


async def test_a_process_takes_no_more_connections_than_the_pool_has(empty_tables: None) -> None:
    own = Database(settings.sqlalchemy_url)
    waits = [asyncio.create_task(own.fetch_one(select(func.pg_sleep(0.1)))) for _ in range(20)]
    most = 0
    while not all(wait.done() for wait in waits):
        most = max(most, own.connections_in_use)
        await asyncio.sleep(0.005)
    await own.dispose()
    assert most == settings.database_pool_size
