"""A script."""

from datetime import UTC, datetime, timedelta

from httpx import AsyncClient
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.close_idle_accounts import close_idle_accounts
from app.models import User
from app.tests.helpers import login


async def test_idle_accounts_are_closed_and_no_others(
    client: AsyncClient, session: AsyncSession, default_user: User, other_user: User, superuser: User
) -> None:
    await login(client, other_user)
    await session.execute(update(User).values(updated_at=datetime.now(UTC) - timedelta(days=400)))
    session.add(User("new@example.com", "!"))
    await session.commit()

    assert await close_idle_accounts(365) == 1
    assert await close_idle_accounts(365) == 0

    assert (await session.scalars(select(User.email).where(~User.is_active))).all() == [default_user.email]
