"""JSONB."""

from typing import Any

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import database
from app.models import User
from app.preferences import find_users_who_prefer


async def test_preferences_are_found_through_the_index(
    session: AsyncSession, default_user: User, other_user: User
) -> None:
    default_user.preferences = {"language": "de", "theme": "dark"}
    other_user.preferences = {"language": "fr"}
    await session.commit()
    sent: list[str] = []

    def keep(*arguments: Any) -> None:
        sent.append(arguments[2])

    event.listen(database.engine.sync_engine, "before_cursor_execute", keep)
    try:
        assert await find_users_who_prefer(session, "language", "de") == [default_user]
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", keep)

    assert "preferences @> " in sent[-1]
    await session.execute(text("SET LOCAL enable_seqscan = off"))  # for two rows the planner would not use it
    plan = await session.scalars(
        text("EXPLAIN SELECT * FROM users WHERE preferences @> jsonb_build_object('language', 'de')")
    )
    assert "ix_users_preferences" in "\n".join(plan)
