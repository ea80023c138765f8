"""Rate limits stop the attacker rather than the victim, and don't reveal whether the account exists."""

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import AsyncClient, Response
from sqlalchemy import Engine, event, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.clients import Client
from app.models import KnownClient, RateLimit, User
from app.tests.helpers import PASSWORD, bearer, begin, client_at, login, try_login
from app.tests.other_settings import application_with

GUESSES = 10  # attempts at one account from one client; every minute allows one more


@pytest.fixture(autouse=True)
def stopped_clock() -> Iterator[None]:
    """Stop PostgreSQL's clock for what SQLAlchemy sends: the shortest limit gives an attempt back in half a second."""
    moment = f"TIMESTAMPTZ '{datetime.now(UTC).isoformat()}'"

    def replace_now(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> tuple[str, Any]:
        return re.sub(r"\bnow\(\)", moment, statement), parameters

    event.listen(Engine, "before_cursor_execute", replace_now, retval=True)
    yield
    event.remove(Engine, "before_cursor_execute", replace_now)


async def fail(client: AsyncClient, email: str, times: int = 1) -> list[int]:
    responses = await asyncio.gather(*(try_login(client, email, "wrong") for _ in range(times)))
    return [response.status_code for response in responses]


async def wait(session: AsyncSession, seconds: float) -> None:
    """Let this many seconds pass for all rate limits."""
    await session.execute(update(RateLimit).values(resets_at=RateLimit.resets_at - timedelta(seconds=seconds)))
    await session.commit()


async def hit_more(session: AsyncSession, attempts: int, seconds_each: float) -> None:
    """Act as if this many more attempts had been made, where every `seconds_each` allows one more."""
    await wait(session, -attempts * seconds_each)


async def guess(client: AsyncClient, session: AsyncSession, email: str, times: int) -> None:
    """Fail once, and count it as this many attempts."""
    assert await fail(client, email) == [400]
    await hit_more(session, times - 1, seconds_each=60)


def assert_rate_limited(response: Response, seconds: int) -> int:
    """Return the seconds to wait; no time has passed since the last attempt."""
    assert response.status_code == 429, response.text
    assert response.json()["detail"] == "Too many attempts, try again later"
    retry_after = int(response.headers["Retry-After"])
    assert retry_after == seconds
    return retry_after


@pytest.mark.parametrize("email", ["ana@example.com", "nobody@example.com"])
async def test_guessing_is_rate_limited_alike_whether_or_not_the_account_exists(
    client: AsyncClient, session: AsyncSession, default_user: User, email: str
) -> None:
    await guess(client, session, email, GUESSES - 1)
    assert await fail(client, email) == [400]
    # A refused attempt doesn't count, and its response doesn't reveal whether the password is right.
    for password in ("wrong", "wrong", PASSWORD):
        retry_after = assert_rate_limited(await try_login(client, email, password), seconds=60)
    # Retry-After is accurate.
    await wait(session, retry_after - 3)
    assert_rate_limited(await try_login(client, email), seconds=3)
    await wait(session, 3)
    assert (await try_login(client, email)).status_code == (200 if email == default_user.email else 400)


async def test_parallel_guesses_do_not_slip_through(client: AsyncClient, default_user: User) -> None:
    responses = await fail(client, default_user.email, 3 * GUESSES)
    assert (responses.count(400), responses.count(429)) == (GUESSES, 2 * GUESSES)


async def test_guesses_count_however_the_email_is_spelled(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    for email in ("ana@example.com", "ANA@example.com", " Ana@Example.Com "):
        assert await fail(client, email) == [400]
    await hit_more(session, GUESSES - 3, seconds_each=60)
    assert_rate_limited(await try_login(client, default_user.email), seconds=60)


async def test_they_count_too_for_an_imported_account_whose_address_no_registration_would_take(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    default_user.email = "ana@corp.local"
    await session.commit()
    for email in ("ana@corp.local", "ANA@corp.local", "Ana@Corp.Local"):
        assert await fail(client, email) == [400]
    await hit_more(session, GUESSES - 3, seconds_each=60)
    assert_rate_limited(await try_login(client, "aNa@corp.local"), seconds=60)


async def test_a_success_clears_the_count_of_the_account(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    await guess(client, session, default_user.email, GUESSES - 1)
    await login(client, default_user)
    assert await fail(client, default_user.email) == [400]
    assert (await try_login(client, default_user.email)).status_code == 200


async def test_guesses_from_elsewhere_lock_nobody_out(
    client: AsyncClient, session: AsyncSession, default_user: User, other_user: User
) -> None:
    guesser = client_at("203.0.113.66")
    await guess(guesser, session, default_user.email, GUESSES)
    assert_rate_limited(await try_login(guesser, default_user.email), seconds=60)
    assert (await try_login(guesser, other_user.email)).status_code == 200
    assert (await try_login(client, default_user.email)).status_code == 200


@pytest.mark.parametrize("email", ["ana@example.com", "nobody@example.com"])
async def test_guessing_from_many_clients_is_rate_limited_alike(
    session: AsyncSession, default_user: User, email: str
) -> None:
    assert await fail(client_at("203.0.113.1"), email) == [400]
    await hit_more(session, 28, seconds_each=30)
    assert await fail(client_at("203.0.113.2"), email) == [400]  # the 30th
    assert_rate_limited(await try_login(client_at("203.0.113.3"), email), seconds=30)


async def test_guesses_from_elsewhere_do_not_block_a_client_from_which_the_user_has_logged_in(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    await login(client, default_user)
    assert await fail(client_at("203.0.113.1"), default_user.email) == [400]
    await hit_more(session, 28, seconds_each=30)  # the login was the first of 30
    assert_rate_limited(await try_login(client_at("203.0.113.2"), default_user.email), seconds=30)
    # Guesses from the user's own client still count.
    await wait(session, 28 * 30)
    await guess(client, session, default_user.email, GUESSES - 1)
    assert await fail(client, default_user.email) == [400]
    assert_rate_limited(await try_login(client, default_user.email), seconds=60)
    await wait(session, 60)
    assert (await try_login(client, default_user.email)).status_code == 200


async def test_trying_many_accounts_from_one_client_is_rate_limited(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    assert await fail(client, "first@example.com") == [400]
    await hit_more(session, 598, seconds_each=2)
    assert await fail(client, "second@example.com") == [400]  # the 600th
    assert_rate_limited(await try_login(client, default_user.email), seconds=2)
    assert (await try_login(client_at("203.0.113.1"), default_user.email)).status_code == 200


async def test_successful_logins_count_like_failed_ones(
    client: AsyncClient, session: AsyncSession, default_user: User, other_user: User
) -> None:
    await login(client, default_user)
    await hit_more(session, 598, seconds_each=2)
    await login(client, default_user)  # the 600th
    assert_rate_limited(await try_login(client, other_user.email), seconds=2)
    await login(client_at("203.0.113.1"), other_user)


async def test_rate_limits_do_not_reveal_a_login_from_elsewhere(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    """Otherwise guessers would learn that the account exists and that its owner has just logged in."""
    outsider = client_at("203.0.113.1")
    await login(client, default_user)  # the first of 30
    assert await fail(outsider, default_user.email) == [400]
    await hit_more(session, 27, seconds_each=30)
    await login(client, default_user)  # from a client that is known by now
    assert await fail(client_at("203.0.113.2"), default_user.email) == [400]  # the 30th
    assert_rate_limited(await try_login(client_at("203.0.113.3"), default_user.email), seconds=30)


async def test_a_client_is_known_for_a_while_only(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    await login(client, default_user)  # the first of 30
    await hit_more(session, 29, seconds_each=30)
    await session.execute(update(KnownClient).values(expires_at=func.now()))
    await session.commit()
    assert_rate_limited(await try_login(client, default_user.email), seconds=30)


async def test_all_networks_of_an_ipv6_site_share_a_wider_limit(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    assert await fail(client_at("2001:db8:1:1::1"), "first@example.com") == [400]
    await hit_more(session, 2398, seconds_each=0.5)
    assert await fail(client_at("2001:db8:1:2::1"), "second@example.com") == [400]
    assert_rate_limited(await try_login(client_at("2001:db8:1:3::1"), default_user.email), seconds=1)
    await login(client_at("2001:db8:2:1::1"), default_user)


async def test_registration_is_rate_limited_per_client(client: AsyncClient, session: AsyncSession) -> None:
    async def register(client: AsyncClient, name: str) -> Response:
        return await client.post("/users/register", json={"email": f"{name}@example.com", "password": PASSWORD})

    assert (await register(client, "first")).status_code == 201
    await hit_more(session, 98, seconds_each=10)
    assert (await register(client, "hundredth")).status_code == 201
    assert_rate_limited(await register(client, "next"), seconds=10)
    assert (await register(client_at("203.0.113.1"), "next")).status_code == 201


async def test_a_wrong_current_password_counts_too(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    headers = bearer(await begin(default_user))
    body = {"current_password": "wrong", "new_password": "a new password"}
    await guess(client, session, default_user.email, GUESSES - 1)
    assert (await client.post("/users/reset-password", json=body, headers=headers)).status_code == 400
    assert_rate_limited(await client.post("/users/reset-password", json=body, headers=headers), seconds=60)


def test_an_ipv6_site_is_a_48() -> None:
    assert Client("2001:db8:1:1::1").wider_network == Client("2001:db8:1:ffff::1").wider_network
    assert Client("2001:db8:1:1::1").wider_network != Client("2001:db8:2:1::1").wider_network
    assert Client("198.51.100.1").wider_network == Client("198.51.100.1").network
    assert Client("unknown").wider_network == "unknown"


def test_a_subscriber_with_many_ipv6_addresses_counts_as_one() -> None:
    assert Client("2001:db8:1:1::1").network == Client("2001:db8:1:1:ffff:ffff:ffff:ffff").network
    assert Client("2001:db8:1:1::1").network != Client("2001:db8:1:2::1").network
    assert Client("198.51.100.1").network != Client("198.51.100.2").network
    assert Client("::ffff:198.51.100.1").network != Client("::ffff:198.51.100.2").network


async def forwarded(client: AsyncClient, email: str, forwarded_for: str) -> Response:
    form = {"username": email, "password": "wrong"}
    return await client.post("/auth/access-token", data=form, headers={"X-Forwarded-For": forwarded_for})


async def test_x_forwarded_for_is_ignored_unless_a_trusted_proxy_sent_it(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    await guess(client, session, default_user.email, GUESSES - 1)
    assert (await forwarded(client, default_user.email, "203.0.113.1")).status_code == 400
    assert_rate_limited(await forwarded(client, default_user.email, "203.0.113.2"), seconds=60)


async def test_x_forwarded_for_of_a_trusted_proxy_names_the_client(session: AsyncSession, default_user: User) -> None:
    proxy, client = client_at("192.0.2.1"), client_at("203.0.113.1")  # the first is in TRUSTED_PROXIES
    await guess(client, session, default_user.email, GUESSES - 1)
    # The client itself can write anything before the last IP address.
    assert (await forwarded(proxy, default_user.email, "198.51.100.9, 203.0.113.1")).status_code == 400
    assert_rate_limited(await forwarded(proxy, default_user.email, "203.0.113.1"), seconds=60)
    assert (await forwarded(proxy, default_user.email, "203.0.113.2")).status_code == 400


async def test_all_processes_share_the_rate_limits(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    await guess(client, session, default_user.email, GUESSES - 1)
    async with application_with() as another:
        assert await fail(another, default_user.email) == [400]
    assert_rate_limited(await try_login(client, default_user.email), seconds=60)


async def test_expired_rate_limits_and_known_clients_are_deleted(
    client: AsyncClient, session: AsyncSession, default_user: User, other_user: User
) -> None:
    for number in range(6):
        await fail(client, f"user{number}@example.com")
    await login(client, other_user)
    await wait(session, 24 * 60 * 60)
    await session.execute(update(KnownClient).values(expires_at=func.now() - timedelta(seconds=1)))
    await session.commit()
    await fail(client, default_user.email)
    await login(client, default_user)
    assert (await session.scalars(select(RateLimit.resets_at > func.now()))).all() == [True, True]
    assert (await session.scalars(select(KnownClient.user_id))).all() == [default_user.id]
