"""`POST /auth/logout` and `POST /auth/logout-all`."""

import pytest
from httpx import AsyncClient, Response

from app.models import User
from app.tests.helpers import bearer, begin, is_logged_in, login, refresh, try_refresh


async def logout(client: AsyncClient, refresh_token: str) -> Response:
    return await client.post("/auth/logout", json={"refresh_token": refresh_token})


async def test_logout_ends_the_session_and_its_access_tokens_at_once(client: AsyncClient, default_user: User) -> None:
    first = await login(client, default_user)
    second = await refresh(client, first)
    assert (await logout(client, second["refresh_token"])).status_code == 204
    assert not await is_logged_in(client, first)
    assert not await is_logged_in(client, second)
    assert (await try_refresh(client, second["refresh_token"])).status_code == 400


async def test_logout_with_a_spent_token_ends_the_session_too(client: AsyncClient, default_user: User) -> None:
    first = await begin(default_user)
    second = await refresh(client, first)
    assert (await logout(client, first["refresh_token"])).status_code == 204
    assert not await is_logged_in(client, second)


@pytest.mark.parametrize("token", ["", "nonsense", "A" * 72, "e30.e30.e30"])
async def test_logout_with_a_token_that_nobody_issued_is_a_204(client: AsyncClient, token: str) -> None:
    assert (await logout(client, token)).status_code == 204


async def test_logout_may_be_repeated(client: AsyncClient, default_user: User) -> None:
    tokens = await begin(default_user)
    assert [(await logout(client, tokens["refresh_token"])).status_code for _ in range(2)] == [204, 204]


async def test_logout_leaves_other_sessions_alone(client: AsyncClient, default_user: User, other_user: User) -> None:
    ended, mine, theirs = [await begin(user) for user in (default_user, default_user, other_user)]
    await logout(client, ended["refresh_token"])
    assert await is_logged_in(client, mine)
    assert await is_logged_in(client, theirs)


async def test_logout_everywhere_ends_every_session_of_the_user_and_no_other(
    client: AsyncClient, default_user: User, other_user: User
) -> None:
    mine = [await begin(default_user) for _ in range(3)]
    theirs = await begin(other_user)
    assert (await client.post("/auth/logout-all", headers=bearer(mine[0]))).status_code == 204
    for tokens in mine:
        assert not await is_logged_in(client, tokens)
        assert (await try_refresh(client, tokens["refresh_token"])).status_code == 400
    assert await is_logged_in(client, theirs)
