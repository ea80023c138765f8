"""A list, a page at a time."""

from datetime import UTC, datetime

from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import User
from app.tests.helpers import walk


async def test_pages_follow_one_another_the_last_changed_first(
    client: AsyncClient, session: AsyncSession, superuser_headers: dict[str, str]
) -> None:
    for number, day in enumerate([3, 1, 2, 2, 2]):
        user = User(f"{number}@example.com", "!", is_active=False)
        user.updated_at = datetime(2026, 1, day, tzinfo=UTC)
        session.add(user)
    await session.commit()

    for limit in (1, 2, 5):
        pages = await walk(client, f"/users/inactive?limit={limit}", superuser_headers)
        users = [user for page in pages for user in page]
        assert [user["updated_at"][8:10] for user in users] == ["03", "02", "02", "02", "01"]
        assert len({user["email"] for user in users}) == 5


async def test_a_page_is_one_descent_of_the_index(session: AsyncSession) -> None:
    await session.execute(text("SET LOCAL enable_seqscan = off"))
    plan = await session.scalars(
        text("EXPLAIN SELECT * FROM users WHERE NOT is_active ORDER BY updated_at DESC, id DESC LIMIT 3")
    )
    assert "Index Scan Backward using ix_users_inactive" in "\n".join(plan)


async def test_only_superusers_see_them(client: AsyncClient, default_user_headers: dict[str, str]) -> None:
    assert (await client.get("/users/inactive", headers=default_user_headers)).status_code == 403
