"""The tables, and what the database itself enforces."""

import pytest
from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Base, LoginSession, User


async def test_models_are_plain_dataclasses(session: AsyncSession, default_user: User) -> None:
    user = User("new@example.com", "-")
    session.add(user)
    await session.commit()
    assert (await session.get_one(User, user.id)).email == "new@example.com"
    assert len({user, User("new@example.com", "-")}) == 2
    assert "hashed" not in repr(default_user)


async def test_the_database_fills_in_what_a_bare_insert_leaves_out(session: AsyncSession) -> None:
    row = insert(User.__table__).values(email="bare@example.com", hashed_password="-")  # type: ignore[arg-type]
    await session.execute(row)
    user = await session.scalar(select(User))
    assert user is not None
    assert (user.is_active, user.is_superuser) == (True, False)
    assert user.created_at.tzinfo is not None


async def test_updated_at_follows_every_update(session: AsyncSession, default_user: User) -> None:
    created, updated = default_user.created_at, default_user.updated_at
    default_user.is_superuser = True
    await session.commit()
    assert default_user.updated_at > updated
    assert default_user.created_at == created


async def test_the_database_refuses_an_email_that_differs_only_in_case(
    session: AsyncSession, default_user: User
) -> None:
    session.add(User("ANA@example.com", "-"))
    with pytest.raises(IntegrityError, match="uq_users_email_lower"):
        await session.commit()


async def test_deleting_a_user_deletes_their_sessions(session: AsyncSession, default_user: User) -> None:
    session.add(LoginSession(default_user.id, default_user.created_at))
    await session.commit()
    await session.execute(delete(User))
    await session.commit()
    assert await session.scalar(select(func.count()).select_from(LoginSession)) == 0


def test_every_foreign_key_cascades_and_has_an_index() -> None:
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            for foreign_key in column.foreign_keys:
                assert foreign_key.ondelete == "CASCADE"
                is_first = [index.columns[0] is column for index in table.indexes]
                assert any([*is_first, table.primary_key.columns[0] is column])


def test_every_constraint_has_a_name_and_every_time_a_zone() -> None:
    for table in Base.metadata.sorted_tables:
        assert all(constraint.name for constraint in table.constraints)
        assert all(getattr(column.type, "timezone", True) for column in table.columns)
