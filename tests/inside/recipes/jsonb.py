"""JSONB."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import engine
from app.models import User
from app.preferences import find_users_who_prefer, users_who_prefer


async def test_preferences_are_found_through_the_index(
    session: AsyncSession, default_user: User, other_user: User
) -> None:
    default_user.preferences = {"language": "de", "theme": "dark"}
    other_user.preferences = {"language": "fr"}
    await session.commit()

    assert await find_users_who_prefer(session, "language", "de") == [default_user]

    assert "preferences @> " in str(users_who_prefer("language", "de").compile(engine.sync_engine))
    await session.execute(text("SET LOCAL enable_seqscan = off"))  # for two rows the planner would not use it
    plan = await session.scalars(
        text("EXPLAIN SELECT * FROM users WHERE preferences @> jsonb_build_object('language', 'de')")
    )
    assert "ix_users_preferences" in "\n".join(plan)
