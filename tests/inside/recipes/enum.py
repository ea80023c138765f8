"""A PostgreSQL enum. The way down is walked by the page's own commands."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Plan, User


async def test_plan_is_an_enum_of_postgresql(session: AsyncSession, default_user: User) -> None:
    assert default_user.plan is Plan.free
    default_user.plan = Plan.trial
    await session.commit()
    assert (await session.execute(text("SELECT plan, pg_typeof(plan) FROM users"))).one() == ("trial", "plan")
    await session.refresh(default_user)
    assert default_user.plan is Plan.trial
