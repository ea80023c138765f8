"""`POST /auth/refresh-token`: single use, and what happens to a session when a spent token comes back."""

import asyncio
import base64
import uuid
from datetime import datetime, timedelta

import pytest
from httpx import AsyncClient
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Base, LoginSession, User
from app.tests.helpers import PASSWORD, Json, bearer, begin, is_logged_in, login, refresh, try_refresh
from app.tests.other_settings import application_with, other_settings

SECOND = timedelta(seconds=1)
INVALID = {"detail": "Invalid refresh token"}


async def test_refresh_gives_new_tokens_for_the_same_session(client: AsyncClient, default_user: User) -> None:
    first = await login(client, default_user)
    sessions = (await client.get("/auth/sessions", headers=bearer(first))).json()
    response = await try_refresh(client, first["refresh_token"])
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    second = response.json()
    assert set(second) == set(first)
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    refreshed = (await client.get("/auth/sessions", headers=bearer(second))).json()
    assert [session["id"] for session in refreshed] == [session["id"] for session in sessions]
    assert refreshed[0]["last_used_at"] > sessions[0]["last_used_at"]


async def test_refresh_extends_the_session(client: AsyncClient, session: AsyncSession, default_user: User) -> None:
    tokens = await login(client, default_user)
    await session.execute(update(LoginSession).values(expires_at=func.now() + timedelta(minutes=1)))
    await session.commit()
    refreshed = await refresh(client, tokens)
    assert refreshed["refresh_token_expires_at"] >= tokens["refresh_token_expires_at"]
    login_session = await session.scalar(select(LoginSession))
    assert login_session is not None
    assert login_session.expires_at.timestamp() == refreshed["refresh_token_expires_at"]


async def let_pass(session: AsyncSession, seconds: int = 300) -> None:
    """Make the last refresh of every session this many seconds older; REFRESH_TOKEN_LEEWAY is 300."""
    await session.execute(update(LoginSession).values(last_used_at=LoginSession.last_used_at - seconds * SECOND))
    await session.commit()


async def test_50_parallel_refreshes_all_get_the_same_successor(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    tokens = await begin(default_user)
    responses = await asyncio.gather(*(refresh(client, tokens) for _ in range(50)))
    assert await session.scalar(select(LoginSession.generation)) == 1
    assert len({response["refresh_token"] for response in responses}) == 1
    for response in responses:
        assert await is_logged_in(client, response)
    await let_pass(session)
    await refresh(client, responses[0])
    await let_pass(session)
    assert (await try_refresh(client, responses[1]["refresh_token"])).status_code == 400


async def test_a_retry_after_a_lost_response_gets_the_same_successor(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    tokens = await login(client, default_user)
    lost = await refresh(client, tokens)
    async with application_with() as another_process:
        again = await refresh(another_process, tokens)
    for name in ("refresh_token", "refresh_token_issued_at", "refresh_token_expires_at"):
        assert again[name] == lost[name]
    assert again["expires_at"] == again["issued_at"] + 15 * 60
    assert await is_logged_in(client, again)
    assert await is_logged_in(client, await refresh(client, again))


async def test_two_tabs_stay_logged_in_whichever_refreshes_next(client: AsyncClient, default_user: User) -> None:
    tabs = [await begin(default_user)] * 2
    for _ in range(3):
        tabs = list(await asyncio.gather(*(refresh(client, tokens) for tokens in tabs)))
        assert [await is_logged_in(client, tokens) for tokens in tabs] == [True, True]


async def test_a_spent_token_that_comes_back_does_not_extend_the_leeway(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    tokens = await begin(default_user)
    successor = await refresh(client, tokens)
    await let_pass(session, 180)
    assert (await refresh(client, tokens))["refresh_token"] == successor["refresh_token"]
    await let_pass(session, 180)
    assert (await try_refresh(client, tokens["refresh_token"])).status_code == 400
    assert not await is_logged_in(client, successor)


async def test_a_token_whose_successor_is_spent_ends_the_session(client: AsyncClient, default_user: User) -> None:
    first = await begin(default_user)
    third = await refresh(client, await refresh(client, first))
    replay = await try_refresh(client, first["refresh_token"])
    assert (replay.status_code, replay.json()) == (400, INVALID)
    assert not await is_logged_in(client, third)


async def test_without_a_leeway_one_of_50_refreshes_succeeds_and_the_others_end_the_session(
    client: AsyncClient, default_user: User
) -> None:
    tokens = await begin(default_user)
    with other_settings(REFRESH_TOKEN_LEEWAY="0"):
        responses = await asyncio.gather(*(try_refresh(client, tokens["refresh_token"]) for _ in range(50)))
    assert sorted(response.status_code for response in responses) == [200] + [400] * 49
    (winner,) = (response.json() for response in responses if response.status_code == 200)
    assert not await is_logged_in(client, winner)
    assert (await try_refresh(client, winner["refresh_token"])).status_code == 400


@pytest.mark.parametrize("generations", [1, 20])
async def test_spent_refresh_token_ends_the_session(
    client: AsyncClient, session: AsyncSession, default_user: User, generations: int
) -> None:
    spent = tokens = await begin(default_user)
    for _ in range(generations):
        tokens = await refresh(client, tokens)
    await let_pass(session)
    assert await is_logged_in(client, spent)
    replay = await try_refresh(client, spent["refresh_token"])
    assert (replay.status_code, replay.json()) == (400, INVALID)
    assert not await is_logged_in(client, tokens)
    assert (await try_refresh(client, tokens["refresh_token"])).status_code == 400


async def test_a_replay_ends_the_session_although_the_response_is_an_error(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    tokens = await begin(default_user)
    await refresh(client, tokens)
    await let_pass(session)
    assert (await try_refresh(client, tokens["refresh_token"])).status_code == 400
    assert await session.scalar(select(func.count()).select_from(LoginSession)) == 0


async def test_a_replay_leaves_other_sessions_alone(
    client: AsyncClient, session: AsyncSession, default_user: User, other_user: User
) -> None:
    replayed, mine, theirs = [await begin(user) for user in (default_user, default_user, other_user)]
    await refresh(client, replayed)
    await let_pass(session)
    assert (await try_refresh(client, replayed["refresh_token"])).status_code == 400
    assert await is_logged_in(client, mine)
    assert await is_logged_in(client, theirs)


def forgeries(refresh_token: str) -> dict[str, str]:
    """Tokens that name the session of a genuine one, but were never issued."""
    raw = base64.urlsafe_b64decode(refresh_token)
    body, mac = raw[:20], raw[20:]
    earlier = body[:16] + bytes(4)
    changed = {
        "of an earlier generation": earlier + mac,
        "of a later generation": body[:16] + b"\0\0\0\xff" + mac,
        "with another MAC": body + bytes(byte ^ 1 for byte in mac),
        "with one wrong bit in its MAC": raw[:-1] + bytes([raw[-1] ^ 1]),
        "with half a MAC": raw[:-16],
        "without a MAC": body,
        "without a MAC, of an earlier generation": earlier,
        "with something after its MAC": raw + b"\0",
    }
    return {name: base64.urlsafe_b64encode(forged).decode() for name, forged in changed.items()}


async def test_a_forged_token_that_names_a_real_session_changes_nothing(
    client: AsyncClient, default_user: User
) -> None:
    tokens = await refresh(client, await begin(default_user))
    for name, forged in forgeries(tokens["refresh_token"]).items():
        response = await try_refresh(client, forged)
        assert (response.status_code, response.json()) == (400, INVALID), name
        assert (await client.post("/auth/logout", json={"refresh_token": forged})).status_code == 204, name
        assert await is_logged_in(client, tokens), name
    await refresh(client, tokens)


@pytest.mark.parametrize("token", ["", "x", "=", "\0", "żółw", "AAAA", "e30.e30.e30", "A" * 512])
async def test_a_string_that_was_never_a_token_is_refused(client: AsyncClient, token: str) -> None:
    response = await try_refresh(client, token)
    assert (response.status_code, response.json()) == (400, INVALID)


async def test_access_and_refresh_tokens_are_not_interchangeable(client: AsyncClient, default_user: User) -> None:
    tokens = await begin(default_user)
    assert (await try_refresh(client, tokens["access_token"])).status_code == 400
    assert not await is_logged_in(client, tokens | {"access_token": tokens["refresh_token"]})


async def test_an_expired_session_is_over(client: AsyncClient, session: AsyncSession, default_user: User) -> None:
    tokens = await begin(default_user)
    await session.execute(update(LoginSession).values(expires_at=func.now()))
    await session.commit()
    assert not await is_logged_in(client, tokens)
    assert (await client.get("/auth/sessions", headers=bearer(tokens))).status_code == 401
    assert (await try_refresh(client, tokens["refresh_token"])).status_code == 400


@pytest.mark.parametrize("is_spent", [False, True])
async def test_an_inactive_user_gets_no_new_tokens(
    client: AsyncClient, session: AsyncSession, default_user: User, *, is_spent: bool
) -> None:
    tokens = await begin(default_user)
    if is_spent:
        await refresh(client, tokens)
    default_user.is_active = False
    await session.commit()
    assert (await try_refresh(client, tokens["refresh_token"])).status_code == 400


async def begin_days_ago(session: AsyncSession, user: User, days: float) -> Json:
    tokens = await begin(user)
    await session.execute(update(LoginSession).values(created_at=func.now() - timedelta(days=days)))
    await session.commit()
    return tokens


async def test_no_refresh_extends_a_session_beyond_session_max_days(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    tokens = await begin_days_ago(session, default_user, 180 - 1 / 24 / 60)
    begun = (await session.scalars(select(LoginSession.created_at))).one()
    for _ in range(2):  # the second one gets the same successor again
        refreshed = await refresh(client, tokens)
        assert refreshed["refresh_token_expires_at"] == int(begun.timestamp()) + 180 * 24 * 60 * 60
        assert refreshed["expires_at"] == refreshed["refresh_token_expires_at"]
    (listed,) = (await client.get("/auth/sessions", headers=bearer(refreshed))).json()
    assert datetime.fromisoformat(listed["expires_at"]) == begun + timedelta(days=180)


@pytest.mark.parametrize("is_spent", [False, True])
async def test_a_shorter_session_max_days_applies_to_sessions_that_began_before(
    client: AsyncClient, session: AsyncSession, default_user: User, *, is_spent: bool
) -> None:
    tokens = await begin_days_ago(session, default_user, 31)
    if is_spent:
        await refresh(client, tokens)
    with other_settings(SESSION_MAX_DAYS="30"):
        assert (await try_refresh(client, tokens["refresh_token"])).status_code == 400


async def test_a_login_promises_no_longer_session_than_session_max_days(
    client: AsyncClient, default_user: User, session: AsyncSession
) -> None:
    with other_settings(SESSION_MAX_DAYS="1"):
        tokens = await login(client, default_user)
    assert tokens["refresh_token_expires_at"] == tokens["issued_at"] + 24 * 60 * 60
    assert (await session.scalars(select(LoginSession.expires_at))).one().timestamp() == tokens[
        "refresh_token_expires_at"
    ]


async def test_an_access_token_expires_no_later_than_its_session(client: AsyncClient, default_user: User) -> None:
    with other_settings(REFRESH_TOKEN_EXPIRE_MINUTES="5"):
        tokens = await login(client, default_user)
    assert tokens["expires_at"] == tokens["issued_at"] + 5 * 60


async def test_a_stolen_dump_of_the_database_holds_no_token_and_no_password(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    tokens = await refresh(client, await login(client, default_user))
    await client.post("/auth/access-token", data={"username": PASSWORD, "password": "typed into the wrong field"})
    values = [
        value for table in Base.metadata.sorted_tables for row in await session.execute(select(table)) for value in row
    ]
    assert not any(secret in str(values) for secret in (PASSWORD, tokens["refresh_token"], tokens["access_token"]))
    binary = [value.bytes if isinstance(value, uuid.UUID) else value for value in values]
    encoded = [base64.urlsafe_b64encode(value).decode() for value in binary if isinstance(value, bytes)]
    assert len(encoded) > 5
    for stolen in [*map(str, values), *encoded]:
        assert (await try_refresh(client, stolen)).status_code == 400
        assert not await is_logged_in(client, {"access_token": stolen})
        assert (await client.post("/auth/logout", json={"refresh_token": stolen})).status_code == 204
    assert await is_logged_in(client, tokens)
