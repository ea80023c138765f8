"""Streaming."""

import json

from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import User


async def test_every_row_arrives(client: AsyncClient, session: AsyncSession, superuser_headers: dict[str, str]) -> None:
    session.add_all([User(f"{number}@example.com", "!") for number in range(1200)])
    await session.commit()

    response = await client.get("/exports/users", headers=superuser_headers)

    emails = {json.loads(line)["email"] for line in response.text.splitlines()}
    assert len(emails) == 1201
    assert "1199@example.com" in emails


async def test_only_superusers_get_it(client: AsyncClient, default_user_headers: dict[str, str]) -> None:
    assert (await client.get("/exports/users", headers=default_user_headers)).status_code == 403
