"""A list, a page at a time."""

from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import User


async def test_pages_follow_one_another(
    client: AsyncClient, session: AsyncSession, superuser_headers: dict[str, str]
) -> None:
    emails = [f"{letter}@example.com" for letter in "abcde"]
    session.add_all([User(email, "!", is_active=False) for email in reversed(emails)])
    await session.commit()

    seen: list[str] = []
    url = "/users/inactive?limit=2"
    while url and len(seen) <= len(emails):  # not for ever, should the links lead in a circle
        response = await client.get(url, headers=superuser_headers)
        seen += [user["email"] for user in response.json()]
        url = response.links.get("next", {}).get("url", "")
    assert seen == emails


async def test_only_superusers_see_them(client: AsyncClient, default_user_headers: dict[str, str]) -> None:
    assert (await client.get("/users/inactive", headers=default_user_headers)).status_code == 403
