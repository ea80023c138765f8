"""Visits: counted at each login, and limited."""

from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import User
from app.tests.helpers import bearer, login, try_login
from app.tests.other_settings import other_settings


async def test_each_login_counts_until_none_is_left(client: AsyncClient, default_user: User) -> None:
    with other_settings(VISITS_PER_ACCOUNT="2"):
        await login(client, default_user)
        tokens = await login(client, default_user)
        refused = await try_login(client, default_user.email)
    assert (await client.get("/visits/me", headers=bearer(tokens))).json() == {"number": 3}
    assert (refused.status_code, refused.json()["error"]) == (403, "too_many_visits")


async def test_the_first_visit_is_a_notice(client: AsyncClient, session: AsyncSession, default_user: User) -> None:
    await login(client, default_user)
    await login(client, default_user)
    kept = await session.execute(text("SELECT kind, data FROM outgoing_mails"))
    assert [tuple(row) for row in kept] == [("first_visit", {"left": "999"})]
