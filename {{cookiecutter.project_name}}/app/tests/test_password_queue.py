"""The queue for bcrypt is bounded, and no network or account keeps others from getting their turn."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

import pytest
from httpx import AsyncClient, Response

from app.auth.password_queue import AT_ONCE_OF_ONE, PLACES, PLACES_OF_ONE, PasswordQueue, password_queue
from app.core.passwords import PASSWORD_THREADS
from app.models import User
from app.tests.helpers import CLIENT_IP, PASSWORD, PATIENCE, bearer, begin, client_at, login, try_login


@asynccontextmanager
async def occupied(subjects: Iterable[str]) -> AsyncIterator[None]:
    """Keep one password of each subject in the queue, being hashed or waiting, for the duration."""
    done = asyncio.Event()

    async def hash_until_done(subject: str) -> None:
        async with password_queue.turn(subject):
            await done.wait()

    hashing = [asyncio.create_task(hash_until_done(subject)) for subject in subjects]
    await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):  # whoever is kept waiting fails
        yield
    done.set()
    await asyncio.gather(*hashing)


async def register(client: AsyncClient, user: User) -> Response:
    return await client.post("/users/register", json={"email": f"new.{user.email}", "password": PASSWORD})


async def change_password(client: AsyncClient, user: User) -> Response:
    body = {"current_password": PASSWORD, "new_password": "a new and better one"}
    return await client.post("/users/reset-password", json=body, headers=bearer(await begin(user)))


async def log_in(client: AsyncClient, user: User) -> Response:
    return await try_login(client, user.email)


Way = Callable[[AsyncClient, User], Awaitable[Response]]
every_way_to_have_a_password_hashed = pytest.mark.parametrize("way", [log_in, register, change_password])


@every_way_to_have_a_password_hashed
async def test_a_full_queue_is_a_503_at_once(
    client: AsyncClient, default_user: User, caplog: pytest.LogCaptureFixture, way: Way
) -> None:
    logging.getLogger("app.errors").addHandler(caplog.handler)
    async with occupied(f"network {number}" for number in range(PLACES)):
        response = await way(client, default_user)
    logging.getLogger("app.errors").removeHandler(caplog.handler)
    assert response.status_code == 503
    assert response.json()["detail"] == "Too many logins and registrations at once, try again"
    assert response.headers["Retry-After"] == "1"
    assert "The password queue is full" in caplog.text
    assert "database" not in caplog.text
    assert (await way(client, default_user)).status_code < 300


@every_way_to_have_a_password_hashed
async def test_a_network_that_has_used_all_its_places_is_refused_and_others_are_not(
    client: AsyncClient, default_user: User, other_user: User, way: Way
) -> None:
    async with occupied([CLIENT_IP] * PLACES_OF_ONE):
        response = await way(client, default_user)
        assert (response.status_code, response.headers["Retry-After"]) == (429, "1")
        assert (await way(client_at("203.0.113.1"), other_user)).status_code < 300
    assert (await way(client, default_user)).status_code < 300


async def test_all_networks_of_an_ipv6_site_share_its_places(client: AsyncClient, default_user: User) -> None:
    async with occupied(["2001:db8:1::/48"] * PLACES_OF_ONE):
        assert (await try_login(client_at("2001:db8:1:2::3"), default_user.email)).status_code == 429
        await login(client_at("2001:db8:2:2::3"), default_user)


async def test_an_account_that_has_used_all_its_places_is_refused_and_others_are_not(
    client: AsyncClient, default_user: User, other_user: User
) -> None:
    async with occupied([default_user.email] * PLACES_OF_ONE):
        assert (await try_login(client, default_user.email)).status_code == 429
        await login(client, other_user)


async def test_a_refusal_by_the_queue_does_not_count_against_a_rate_limit(
    client: AsyncClient, default_user: User
) -> None:
    async with occupied([CLIENT_IP] * PLACES_OF_ONE):
        responses = [await try_login(client, default_user.email, "wrong") for _ in range(11)]
    assert {response.status_code for response in responses} == {429}
    await login(client, default_user)


async def test_a_request_that_comes_after_a_flood_from_another_network_is_next() -> None:
    queue, order = PasswordQueue(), []

    async def hash_password_of(subject: str) -> None:
        async with queue.turn(subject):
            order.append(subject)
            await asyncio.sleep(0)

    await asyncio.gather(*map(hash_password_of, ["flood"] * PLACES_OF_ONE), hash_password_of("victim"))
    assert order.index("victim") <= AT_ONCE_OF_ONE < PASSWORD_THREADS
    assert len(order) == PLACES_OF_ONE + 1


async def test_a_request_that_gives_up_waiting_leaves_the_queue() -> None:
    queue, release = PasswordQueue(), asyncio.Event()

    async def hash_until_released(subject: str) -> None:
        async with queue.turn(subject):
            await release.wait()

    hashing = [asyncio.create_task(hash_until_released("one")) for _ in range(PLACES_OF_ONE)]
    await asyncio.sleep(0)
    for task in hashing:
        task.cancel()
    await asyncio.gather(*hashing, return_exceptions=True)
    release.set()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(hash_until_released("one") for _ in range(PLACES_OF_ONE)))
