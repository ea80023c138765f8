"""`POST /users/reset-password`: a change of password throws everybody out."""

import asyncio
import time

import pytest
from httpx import AsyncClient, Response
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import User
from app.tests.helpers import PASSWORD, Json, bearer, begin, is_logged_in, try_login, try_refresh

NEW_PASSWORD = "a new and better one"


async def change(client: AsyncClient, tokens: Json, current: str = PASSWORD, new: str = NEW_PASSWORD) -> Response:
    body = {"current_password": current, "new_password": new}
    return await client.post("/users/reset-password", json=body, headers=bearer(tokens))


async def test_a_new_password_ends_every_session_this_one_too(
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


@pytest.mark.parametrize("new", ["7 chars", "x" * 129])
async def test_the_new_password_has_8_to_128_characters(client: AsyncClient, default_user: User, new: str) -> None:
    tokens = await begin(default_user)
    assert (await change(client, tokens, new=new)).status_code == 422
    assert await is_logged_in(client, tokens)


async def waiting_for_a_lock(session: AsyncSession, count: int) -> None:
    """Return once so many requests wait for a row that `session` holds."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    deadline = time.monotonic() + 3
    while await session.scalar(waiting) != count:
        assert time.monotonic() < deadline, f"{count} requests should wait by now"
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("way", ["new password", "deactivation", "deletion"])
async def test_a_login_that_was_checked_before_but_finishes_after_begins_no_session(
    client: AsyncClient, session: AsyncSession, default_user: User, superuser_headers: dict[str, str], way: str
) -> None:
    """Both requests wait for the account's row: first the one that cuts, then the login with the old password."""
    tokens = await begin(default_user)
    user_path = f"/users/{default_user.id}"
    cut = {
        "new password": change(client, tokens),
        "deactivation": client.patch(user_path, json={"is_active": False}, headers=superuser_headers),
        "deletion": client.delete(user_path, headers=superuser_headers),
    }
    await session.execute(select(User.id).where(User.id == default_user.id).with_for_update())
    async with asyncio.TaskGroup() as tasks:
        cutting = tasks.create_task(cut.pop(way))
        await waiting_for_a_lock(session, 1)
        logging_in = tasks.create_task(try_login(client, default_user.email))
        await waiting_for_a_lock(session, 2)
        await session.rollback()
    for unused in cut.values():
        unused.close()
    assert cutting.result().status_code in {200, 204}
    assert (logging_in.result().status_code, logging_in.result().json()) == (
        400,
        {"detail": "Incorrect email or password"},
    )


async def test_of_10_parallel_changes_one_wins(client: AsyncClient, default_user: User) -> None:
    """Else a thief who knows the old password could undo the change that was to keep him out."""
    tokens = await begin(default_user)
    passwords = [f"new password {number}" for number in range(10)]
    answers = await asyncio.gather(*(change(client, tokens, new=new) for new in passwords))
    winners = [new for new, answer in zip(passwords, answers, strict=True) if answer.status_code == 204]
    assert len(winners) == 1
    assert {answer.status_code for answer in answers} <= {204, 400, 401}
    assert (await try_login(client, default_user.email, winners[0])).status_code == 200
