"""`POST /auth/refresh-token`: single use, and what becomes of a session whose spent token comes back."""

import asyncio
import base64
import uuid
from datetime import timedelta

import pytest
from httpx import AsyncClient
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Base, LoginSession, User
from app.tests.helpers import PASSWORD, bearer, begin, is_logged_in, login, refresh, try_refresh

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


async def test_refresh_prolongs_the_session(client: AsyncClient, session: AsyncSession, default_user: User) -> None:
    tokens = await login(client, default_user)
    await session.execute(update(LoginSession).values(expires_at=func.now() + timedelta(minutes=1)))
    await session.commit()
    refreshed = await refresh(client, tokens)
    assert refreshed["refresh_token_expires_at"] >= tokens["refresh_token_expires_at"]
    login_session = await session.scalar(select(LoginSession))
    assert login_session is not None
    assert login_session.expires_at.timestamp() == refreshed["refresh_token_expires_at"]


async def test_of_50_parallel_refreshes_one_wins_and_the_replay_ends_the_session(
    client: AsyncClient, default_user: User
) -> None:
    tokens = await begin(default_user)
    answers = await asyncio.gather(*(try_refresh(client, tokens["refresh_token"]) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49
    (winner,) = (answer.json() for answer in answers if answer.status_code == 200)
    assert not await is_logged_in(client, winner)
    assert (await try_refresh(client, winner["refresh_token"])).status_code == 400


@pytest.mark.parametrize("generations", [1, 20])
async def test_spent_refresh_token_ends_the_session(client: AsyncClient, default_user: User, generations: int) -> None:
    spent = tokens = await begin(default_user)
    for _ in range(generations):
        tokens = await refresh(client, tokens)
    assert await is_logged_in(client, spent)
    replay = await try_refresh(client, spent["refresh_token"])
    assert (replay.status_code, replay.json()) == (400, INVALID)
    assert not await is_logged_in(client, tokens)
    assert (await try_refresh(client, tokens["refresh_token"])).status_code == 400


async def test_the_end_after_a_replay_is_committed_although_the_answer_is_an_error(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    tokens = await begin(default_user)
    await refresh(client, tokens)
    assert (await try_refresh(client, tokens["refresh_token"])).status_code == 400
    assert await session.scalar(select(func.count()).select_from(LoginSession)) == 0


async def test_a_replay_leaves_other_sessions_alone(client: AsyncClient, default_user: User, other_user: User) -> None:
    replayed, mine, theirs = [await begin(user) for user in (default_user, default_user, other_user)]
    await refresh(client, replayed)
    assert (await try_refresh(client, replayed["refresh_token"])).status_code == 400
    assert await is_logged_in(client, mine)
    assert await is_logged_in(client, theirs)


def forgeries(refresh_token: str) -> dict[str, str]:
    """Tokens that name the session of a genuine one, but were never issued."""
    raw = base64.urlsafe_b64decode(refresh_token)
    body, seal = raw[:20], raw[20:]
    earlier = body[:16] + bytes(4)
    changed = {
        "of an earlier generation": earlier + seal,
        "of a later generation": body[:16] + b"\0\0\0\xff" + seal,
        "with another seal": body + bytes(byte ^ 1 for byte in seal),
        "with one wrong bit in its seal": raw[:-1] + bytes([raw[-1] ^ 1]),
        "with half a seal": raw[:-16],
        "without a seal": body,
        "without a seal, of an earlier generation": earlier,
        "with something after its seal": raw + b"\0",
    }
    return {name: base64.urlsafe_b64encode(forged).decode() for name, forged in changed.items()}


async def test_a_forged_token_that_names_a_real_session_changes_nothing(
    client: AsyncClient, default_user: User
) -> None:
    tokens = await refresh(client, await begin(default_user))
    for name, forged in forgeries(tokens["refresh_token"]).items():
        answer = await try_refresh(client, forged)
        assert (answer.status_code, answer.json()) == (400, INVALID), name
        assert (await client.post("/auth/logout", json={"refresh_token": forged})).status_code == 204, name
        assert await is_logged_in(client, tokens), name
    await refresh(client, tokens)


@pytest.mark.parametrize("token", ["", "x", "=", "\0", "żółw", "AAAA", "e30.e30.e30", "A" * 512])
async def test_what_was_never_a_token_is_refused(client: AsyncClient, token: str) -> None:
    answer = await try_refresh(client, token)
    assert (answer.status_code, answer.json()) == (400, INVALID)


async def test_an_access_token_is_no_refresh_token_and_the_other_way_round(
    client: AsyncClient, default_user: User
) -> None:
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


async def test_an_inactive_user_gets_no_new_tokens(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    tokens = await begin(default_user)
    default_user.is_active = False
    await session.commit()
    assert (await try_refresh(client, tokens["refresh_token"])).status_code == 400


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
