"""SECRET_KEY signs, SECRET_KEY_FALLBACKS verify: rotating keys logs nobody out."""

from httpx import AsyncClient
from jose import jwt

from app.core.config import settings
from app.models import User
from app.tests.helpers import Json, is_logged_in, login, refresh, try_refresh
from app.tests.other_settings import other_settings


async def test_rotating_keys_logs_nobody_out(client: AsyncClient, default_user: User) -> None:
    former = settings.secret_key_fallbacks[-1].get_secret_value()
    with other_settings(SECRET_KEY=former, SECRET_KEY_FALLBACKS=former):
        tokens = await login(client, default_user)
    assert await is_logged_in(client, tokens)
    renewed = await refresh(client, tokens)
    assert key_id(renewed) != key_id(tokens)

    # Without the new key, tokens signed with it are refused, as old tokens are once their key is removed.
    with other_settings(SECRET_KEY=former, SECRET_KEY_FALLBACKS=former):
        assert not await is_logged_in(client, renewed)
        assert (await try_refresh(client, renewed["refresh_token"])).status_code == 400
    assert await is_logged_in(client, renewed)
    await refresh(client, renewed)


async def test_a_spent_token_gets_its_successor_again_while_keys_rotate(
    client: AsyncClient, default_user: User
) -> None:
    former = settings.secret_key_fallbacks[-1].get_secret_value()
    before = {"SECRET_KEY": former, "SECRET_KEY_FALLBACKS": settings.secret_key.get_secret_value()}
    with other_settings(**before):
        tokens = await login(client, default_user)
    first = await refresh(client, tokens)
    with other_settings(**before):
        again = await refresh(client, tokens)
    assert again["refresh_token"] != first["refresh_token"]  # signed with another key, but of the same generation:
    successors = [await refresh(client, first), await refresh(client, again)]
    assert successors[0]["refresh_token"] == successors[1]["refresh_token"]


def key_id(tokens: Json) -> object:
    return jwt.get_unverified_header(tokens["access_token"])["kid"]
