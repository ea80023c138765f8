"""`GET /auth/sessions` and `DELETE /auth/sessions/{id}`, and how old sessions are deleted."""

import uuid
from datetime import datetime, timedelta

import pytest
from httpx import AsyncClient
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.clients import Client
from app.auth.sessions import MAX_SESSIONS
from app.models import LoginSession, User
from app.tests.helpers import (
    PASSWORD,
    PATIENCE,
    Json,
    bearer,
    begin,
    client_at,
    is_logged_in,
    login,
    refresh,
    try_refresh,
)


async def sessions_of(client: AsyncClient, tokens: Json) -> list[Json]:
    response = await client.get("/auth/sessions", headers=bearer(tokens))
    assert response.status_code == 200
    sessions: list[Json] = response.json()
    return sessions


async def test_sessions_show_where_the_user_is_logged_in(client: AsyncClient, default_user: User) -> None:
    client.headers["User-Agent"] = "a browser"
    tokens = await login(client, default_user)
    (listed,) = await sessions_of(client, tokens)
    assert set(listed) == {"id", "created_at", "last_used_at", "expires_at", "user_agent", "login_method", "current"}
    assert listed["user_agent"] == "a browser"
    assert listed["login_method"] == "password"
    assert listed["current"] is True
    assert datetime.fromisoformat(listed["expires_at"]).timestamp() == tokens["refresh_token_expires_at"]
    assert datetime.fromisoformat(listed["created_at"]).timestamp() == pytest.approx(tokens["issued_at"], abs=PATIENCE)


async def test_sessions_are_listed_latest_use_first_and_the_current_one_is_marked(
    client: AsyncClient, default_user: User, other_user: User
) -> None:
    await begin(other_user)
    first, second, third = [await begin(default_user) for _ in range(3)]
    first = await refresh(client, first)
    assert [listed["current"] for listed in await sessions_of(client, first)] == [True, False, False]
    assert [listed["current"] for listed in await sessions_of(client, third)] == [False, True, False]
    assert [listed["current"] for listed in await sessions_of(client, second)] == [False, False, True]


async def test_expired_sessions_are_not_listed(client: AsyncClient, session: AsyncSession, default_user: User) -> None:
    await begin(default_user)
    await session.execute(update(LoginSession).values(expires_at=func.now()))
    await session.commit()
    tokens = await begin(default_user)
    assert [listed["current"] for listed in await sessions_of(client, tokens)] == [True]


@pytest.mark.parametrize("user_agent", [b"x" * 3000, "ż".encode() * 200, b"\xff\xfe", b"a\tb", b""])
async def test_any_user_agent_may_log_in(client: AsyncClient, default_user: User, user_agent: bytes) -> None:
    form = {"username": default_user.email, "password": PASSWORD}
    response = await client.post("/auth/access-token", data=form, headers={b"User-Agent": user_agent})
    assert response.status_code == 200
    (listed,) = await sessions_of(client, response.json())
    assert len(listed["user_agent"]) <= 255


async def test_revoking_a_session_ends_it_at_once_and_leaves_others_alone(
    client: AsyncClient, default_user: User
) -> None:
    lost, kept = await begin(default_user), await begin(default_user)
    (listed,) = [listed for listed in await sessions_of(client, kept) if not listed["current"]]
    assert (await client.delete(f"/auth/sessions/{listed['id']}", headers=bearer(kept))).status_code == 204
    assert not await is_logged_in(client, lost)
    assert (await try_refresh(client, lost["refresh_token"])).status_code == 400
    assert await is_logged_in(client, kept)


async def test_a_session_may_revoke_itself(client: AsyncClient, default_user: User) -> None:
    tokens = await begin(default_user)
    (listed,) = await sessions_of(client, tokens)
    assert (await client.delete(f"/auth/sessions/{listed['id']}", headers=bearer(tokens))).status_code == 204
    assert not await is_logged_in(client, tokens)


async def test_someone_elses_session_is_a_404_like_a_missing_one(
    client: AsyncClient, default_user: User, other_user: User
) -> None:
    mine, theirs = await begin(default_user), await begin(other_user)
    (listed,) = await sessions_of(client, theirs)
    responses = [
        await client.delete(f"/auth/sessions/{session_id}", headers=bearer(mine))
        for session_id in (listed["id"], uuid.uuid4())
    ]
    for response in responses:
        assert (response.status_code, response.json()) == (404, {"detail": "Session not found"})
    assert await is_logged_in(client, theirs)


async def test_logins_clean_up_expired_sessions(client: AsyncClient, session: AsyncSession, default_user: User) -> None:
    expired = datetime.now().astimezone() - timedelta(days=1)
    session.add_all(LoginSession(default_user.id, expired) for _ in range(15))
    await session.commit()
    living = await login(client, default_user)
    await login(client, default_user)
    assert await session.scalar(select(func.count()).select_from(LoginSession)) == 2
    assert await is_logged_in(client, living)


async def test_an_account_keeps_at_most_its_100_latest_sessions(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    expires_at = datetime.now().astimezone() + timedelta(days=1)
    session.add_all(LoginSession(default_user.id, expires_at, "an old one") for _ in range(MAX_SESSIONS))
    await session.commit()
    tokens = await login(client, default_user)
    listed = await sessions_of(client, tokens)
    assert len(listed) == MAX_SESSIONS
    assert listed[0]["current"] is True


@pytest.mark.parametrize("kind", ["its own", "refreshed", "of another program", "from elsewhere"])
async def test_a_script_that_keeps_logging_in_replaces_its_own_unused_sessions_first(
    client: AsyncClient, session: AsyncSession, default_user: User, kind: str
) -> None:
    owner = await login(client, default_user)  # used, but not refreshed yet
    expires_at = datetime.now().astimezone() + timedelta(days=1)
    program = "another" if kind == "of another program" else "a script"
    script_ip = "203.0.113.2" if kind == "from elsewhere" else "203.0.113.1"
    session.add_all(
        LoginSession(default_user.id, expires_at, program, Client(script_ip).hash, int(kind == "refreshed"))
        for _ in range(MAX_SESSIONS - 1)
    )
    await session.commit()
    script = client_at("203.0.113.1")
    script.headers["User-Agent"] = "a script"
    assert await is_logged_in(client, await login(script, default_user))
    assert await session.scalar(select(func.count()).select_from(LoginSession)) == MAX_SESSIONS
    assert await is_logged_in(client, owner) == (kind == "its own")
