"""`POST /users/reset-password`: changing the password ends every session."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest
from httpx import AsyncClient, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import User
from app.tests.helpers import PASSWORD, Json, bearer, begin, is_logged_in, try_login, try_refresh, waiting_for_locks

NEW_PASSWORD = "a new and better one"


async def change(client: AsyncClient, tokens: Json, current: str = PASSWORD, new: str = NEW_PASSWORD) -> Response:
    body = {"current_password": current, "new_password": new}
    return await client.post("/users/reset-password", json=body, headers=bearer(tokens))


async def test_a_new_password_ends_every_session_including_this_one(
    client: AsyncClient, default_user: User, other_user: User
) -> None:
    mine, thief, other = [await begin(user) for user in (default_user, default_user, other_user)]
    assert (await change(client, mine)).status_code == 204
    for tokens in (mine, thief):
        assert not await is_logged_in(client, tokens)
        assert (await try_refresh(client, tokens["refresh_token"])).status_code == 400
    assert await is_logged_in(client, other)


async def test_after_the_change_only_the_new_password_works(client: AsyncClient, default_user: User) -> None:
    await change(client, await begin(default_user))
    assert (await try_login(client, default_user.email)).status_code == 400
    assert (await try_login(client, default_user.email, NEW_PASSWORD)).status_code == 200


async def test_a_wrong_current_password_changes_nothing(
    client: AsyncClient, default_user: User, other_user: User
) -> None:
    tokens = await begin(default_user)
    response = await change(client, tokens, current="wrong")
    assert (response.status_code, response.json()) == (400, {"detail": "Incorrect password"})
    assert await is_logged_in(client, tokens)
    assert (await try_login(client, default_user.email)).status_code == 200


async def test_nobody_changes_a_password_all_the_time(
    client: AsyncClient, default_user: User, other_user: User
) -> None:
    """Each change ends recoveries that the owner has asked for."""
    passwords = [PASSWORD, *(f"{NEW_PASSWORD} {number}" for number in range(11))]
    changes = [
        (await change(client, await begin(default_user), *both)).status_code for both in itertools.pairwise(passwords)
    ]
    assert changes == [204] * 10 + [429]
    assert (await try_login(client, default_user.email, passwords[10])).status_code == 200
    assert (await change(client, await begin(other_user))).status_code == 204


@pytest.mark.parametrize("new", ["7 chars", "x" * 129])
async def test_the_new_password_has_8_to_128_characters(client: AsyncClient, default_user: User, new: str) -> None:
    tokens = await begin(default_user)
    assert (await change(client, tokens, new=new)).status_code == 422
    assert await is_logged_in(client, tokens)


@pytest.mark.parametrize("way", ["new password", "deactivation", "deletion"])
async def test_a_login_that_finishes_after_the_change_begins_no_session(
    client: AsyncClient, session: AsyncSession, default_user: User, superuser_headers: dict[str, str], way: str
) -> None:
    """Both requests wait for the account's row: first the one that ends its sessions, then the login."""
    tokens = await begin(default_user)
    user_path = f"/users/{default_user.id}"
    cut: dict[str, Callable[[], Awaitable[Response]]] = {
        "new password": lambda: change(client, tokens),
        "deactivation": lambda: client.patch(user_path, json={"is_active": False}, headers=superuser_headers),
        "deletion": lambda: client.delete(user_path, headers=superuser_headers),
    }
    await session.execute(select(User.id).where(User.id == default_user.id).with_for_update(key_share=True))
    cutting = asyncio.ensure_future(cut[way]())
    await waiting_for_locks(1)
    logging_in = asyncio.ensure_future(try_login(client, default_user.email))
    await waiting_for_locks(2)
    await session.rollback()
    assert (await cutting).status_code in {200, 204}
    response = await logging_in
    assert (response.status_code, response.json()["detail"]) == (400, "Incorrect email or password")


async def test_only_one_of_10_parallel_changes_succeeds(client: AsyncClient, default_user: User) -> None:
    """Otherwise a thief who knows the old password could undo the change that is meant to keep them out."""
    tokens = await begin(default_user)
    passwords = [f"new password {number}" for number in range(10)]
    responses = await asyncio.gather(*(change(client, tokens, new=new) for new in passwords))
    winners = [new for new, response in zip(passwords, responses, strict=True) if response.status_code == 204]
    assert len(winners) == 1
    assert {response.status_code for response in responses} <= {204, 400, 401}
    assert (await try_login(client, default_user.email, winners[0])).status_code == 200
