"""`POST /auth/access-token`: logging in."""

import time

import pytest
from httpx import AsyncClient
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import RateLimit, User
from app.tests.helpers import bearer, hash_of_password, login, try_login
from app.tests.other_settings import application_with, other_settings

ATTEMPTS = 10


async def test_login_returns_tokens_and_their_times(client: AsyncClient, default_user: User) -> None:
    begun = int(time.time())
    response = await try_login(client, default_user.email)
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    tokens = response.json()
    assert set(tokens) == {
        "token_type",
        "access_token",
        "issued_at",
        "expires_at",
        "expires_in",
        "refresh_token",
        "refresh_token_issued_at",
        "refresh_token_expires_at",
    }
    assert tokens["token_type"] == "Bearer"
    assert begun <= tokens["issued_at"] <= time.time()
    assert tokens["expires_at"] == tokens["issued_at"] + 15 * 60
    assert tokens["expires_in"] == 15 * 60
    assert tokens["refresh_token_issued_at"] == tokens["issued_at"]
    assert tokens["refresh_token_expires_at"] == tokens["issued_at"] + 28 * 24 * 60 * 60
    assert (await client.get("/users/me", headers=bearer(tokens))).json()["email"] == default_user.email


@pytest.mark.parametrize("spelling", ["ANA@EXAMPLE.COM", "Ana@Example.com", " ana@example.com "])
async def test_login_accepts_the_email_in_any_case(client: AsyncClient, default_user: User, spelling: str) -> None:
    assert (await try_login(client, spelling)).status_code == 200


async def test_unknown_user_wrong_password_and_inactive_user_get_the_same_response(
    client: AsyncClient, session: AsyncSession, default_user: User, other_user: User
) -> None:
    other_user.is_active = False
    await session.commit()
    responses = [
        await try_login(client, "nobody@example.com"),
        await try_login(client, default_user.email, "wrong"),
        await try_login(client, other_user.email),
    ]
    for response in responses:
        assert response.status_code == 400
        assert response.json() == {"detail": "Incorrect email or password", "error": "invalid_grant"}
        del response.headers["X-Request-ID"]
        assert response.headers == responses[0].headers


async def time_login(client: AsyncClient, email: str, guess: str = "wrong") -> float:
    """The CPU seconds, over all threads, of a login with a wrong password."""
    begun = time.process_time()  # CPU time, so that other processes don't count, except that they slow a processor down
    assert (await try_login(client, email, guess)).status_code == 400
    return time.process_time() - begun


async def assert_same_time(client: AsyncClient, session: AsyncSession, *logins: tuple[str, str]) -> float:
    """Let these logins take turns until the fastest of each take the same time, as the processor may be slow for one.

    Return the shortest time.
    """
    times: list[list[float]] = [[] for _ in logins]
    for _ in range(ATTEMPTS):
        for taken, (email, guess) in zip(times, logins, strict=True):
            taken.append(await time_login(client, email, guess))
        await session.execute(delete(RateLimit))
        await session.commit()
        fastest = [min(taken) for taken in times]
        if len(times[0]) > 1 and max(fastest) < 1.5 * min(fastest):
            return min(fastest)
    pytest.fail(f"the logins took {times}")


async def test_unknown_user_wrong_password_and_inactive_user_take_the_same_time(
    session: AsyncSession, default_user: User, other_user: User
) -> None:
    hashed = hash_of_password(rounds=11)
    default_user.hashed_password = other_user.hashed_password = hashed
    other_user.is_active = False
    await session.commit()
    # A new application, as its very first login must not stand out either.
    async with application_with(SECURITY_BCRYPT_ROUNDS="11") as client:
        first = await time_login(client, "nobody@example.com")
        emails = ("nobody@example.com", default_user.email, other_user.email)
        # It takes what a first request takes, too, so the hash has to be the larger part: of 11 rounds it is.
        assert first > 0.5 * await assert_same_time(client, session, *((email, "wrong") for email in emails))


async def test_a_password_that_an_old_hash_cannot_hold_takes_the_same_time(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    default_user.hashed_password = hash_of_password("bcrypt", rounds=8)
    await session.commit()
    with other_settings(SECURITY_BCRYPT_ROUNDS="8"):
        await assert_same_time(client, session, (default_user.email, "wrong"), (default_user.email, "wr\0ng"))


async def test_a_login_leaves_the_event_loop_to_other_requests(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    begun = time.thread_time()
    default_user.hashed_password = hash_of_password(rounds=9)
    work = time.thread_time() - begun  # as much as the login's, which has to run in another thread
    await session.commit()
    times: list[float] = []
    with other_settings(SECURITY_BCRYPT_ROUNDS="9"):  # so that the hash stays as it is
        while len(times) < ATTEMPTS and min(times, default=work) >= 0.7 * work:
            begun = time.thread_time()
            assert (await try_login(client, default_user.email)).status_code == 200
            times.append(time.thread_time() - begun)
    assert min(times) < 0.7 * work


async def test_each_login_is_a_session_of_its_own(client: AsyncClient, default_user: User) -> None:
    first, second = await login(client, default_user), await login(client, default_user)
    await client.post("/auth/logout", json={"refresh_token": first["refresh_token"]})
    assert (await client.get("/users/me", headers=bearer(first))).status_code == 401
    assert (await client.get("/users/me", headers=bearer(second))).status_code == 200
