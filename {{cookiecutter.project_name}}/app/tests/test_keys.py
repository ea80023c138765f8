"""SECRET_KEY signs, SECRET_KEY_FALLBACKS verify: rotating keys logs nobody out."""

from httpx import AsyncClient
from jose import jwt

from app.core.config import settings
from app.core.security import is_mac, mac
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


async def test_the_next_key_verifies_before_any_process_signs_with_it(client: AsyncClient, default_user: User) -> None:
    """A deploy in two steps: the next key becomes a fallback of all processes, then the key of one after the other."""
    this, following = settings.secret_keys[0], "k" * 40
    first_step = {"SECRET_KEY": this, "SECRET_KEY_FALLBACKS": following}
    second_step = {"SECRET_KEY": following, "SECRET_KEY_FALLBACKS": this}
    for here, there in ((first_step, second_step), (second_step, first_step)):
        with other_settings(**here):
            tokens = await login(client, default_user)
            code = mac("a challenge", b"its body")
        with other_settings(**there):
            assert await is_logged_in(client, tokens)
            assert is_mac("a challenge", b"its body", code)
            renewed = await refresh(client, tokens)
        with other_settings(**here):
            assert await is_logged_in(client, renewed)
        with other_settings(SECRET_KEY="x" * 40, SECRET_KEY_FALLBACKS=""):
            assert not await is_logged_in(client, renewed)
            assert not is_mac("a challenge", b"its body", code)


def key_id(tokens: Json) -> object:
    return jwt.get_unverified_header(tokens["access_token"])["kid"]
