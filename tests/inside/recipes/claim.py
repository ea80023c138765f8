"""A claim in access tokens."""

import base64
import json

from httpx import AsyncClient
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import User
from app.tests.helpers import Json, login, refresh


def claims(tokens: Json) -> Json:
    payload = tokens["access_token"].split(".")[1]
    decoded: Json = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return decoded


async def test_each_new_token_has_the_claim(client: AsyncClient, session: AsyncSession, default_user: User) -> None:
    tokens = await login(client, default_user)
    before = claims(tokens)["email_verified"]
    user = await session.get_one(User, default_user.id)
    user.email_verified_at = None if before else func.now()
    await session.commit()
    assert claims(await refresh(client, tokens))["email_verified"] is not before
