"""SECRET_KEY signs, SECRET_KEY_FALLBACKS verify: keys rotate with nobody logged out."""

import secrets

from httpx import AsyncClient, Response
from jose import jwt

from app.core.config import settings
from app.models import User
from app.tests.helpers import Json, bearer, client_at, login, try_refresh
from app.tests.processes import elsewhere


async def use(*sessions: Json) -> list[tuple[int, Response]]:
    """How the application with other keys answers to the access and the refresh token of each session."""
    client = client_at("198.51.100.1")
    return [
        (
            (await client.get("/users/me", headers=bearer(tokens))).status_code,
            await try_refresh(client, tokens["refresh_token"]),
        )
        for tokens in sessions
    ]


async def test_keys_rotate_with_nobody_logged_out(client: AsyncClient, default_user: User) -> None:
    old, new = settings.secret_key.get_secret_value(), secrets.token_urlsafe(48)
    used, unused = await login(client, default_user), await login(client, default_user)

    both = {"SECRET_KEY": new, "SECRET_KEY_FALLBACKS": f"one that is older still, {old}"}
    ((access, refreshed),) = await elsewhere(both, use, used)
    assert (access, refreshed.status_code) == (200, 200)
    renewed = refreshed.json()
    assert key_id(renewed) != key_id(used)

    # Once the old key is gone, so is what only it has signed.
    new_alone = {"SECRET_KEY": new, "SECRET_KEY_FALLBACKS": new}
    answers = await elsewhere(new_alone, use, renewed, unused)
    assert [(access, refreshed.status_code) for access, refreshed in answers] == [(200, 200), (401, 400)]


def key_id(tokens: Json) -> object:
    return jwt.get_unverified_header(tokens["access_token"])["kid"]
