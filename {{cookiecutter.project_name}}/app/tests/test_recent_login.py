"""Recent logins: how long a session is one, what makes it one again, and what routes that want one say to others."""

import asyncio
import uuid
from datetime import timedelta
from functools import cache
from typing import Any
from unittest.mock import patch

import pytest
from fastapi import APIRouter, FastAPI, HTTPException
from httpx import AsyncClient, Response
from sqlalchemy import Delete, Update, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.deps import DbSession, RecentFactor, RecentLogin, lock_recent_owner
from app.api.endpoints.reauthentication import reauthentications
from app.auth.caller import Caller
from app.auth.recent_login import SecondFactor
from app.core.config import settings
from app.core.database import Database
from app.main import create_app
from app.models import LoginSession, User
from app.tests.helpers import (
    CLIENT_IP,
    PASSWORD,
    bearer,
    begin,
    client_at,
    login,
    refresh,
    waiting_for_locks,
)

router = APIRouter()


@router.get("/recent-login")
async def want_recent_login(_: RecentLogin) -> None:
    """As routes do that change how to log in."""


@router.get("/recent-factor")
async def want_recent_factor(_: RecentFactor) -> None:
    """As routes do that change an account."""


@router.get("/locked")
async def lock_owner(user: RecentLogin, session: DbSession) -> None:
    await lock_recent_owner(session, user)


@cache
def application() -> FastAPI:
    """An application with these routes, too."""
    app = create_app()
    app.include_router(router, prefix=settings.api_prefix)
    return app


@pytest.fixture
def client(empty_tables: None) -> AsyncClient:
    return client_at(CLIENT_IP, application())


async def move_logins(session: AsyncSession, into_the_past: timedelta) -> None:
    await session.execute(update(LoginSession).values(authenticated_at=LoginSession.authenticated_at - into_the_past))
    await session.commit()


async def reauthenticate(client: AsyncClient, headers: dict[str, str], body: object) -> Response:
    return await client.post("/auth/reauthenticate", json=body, headers=headers)


async def is_recent(client: AsyncClient, headers: dict[str, str]) -> bool:
    response = await client.get("/recent-login", headers=headers)
    if response.status_code == 200:
        return True
    assert_not_recent(response)
    return False


def assert_not_recent(response: Response) -> None:
    """RFC 9470 section 3."""
    assert response.status_code == 401
    assert response.json() == {
        "detail": "Log in again, or re-authenticate, to do this",
        "error": "insufficient_user_authentication",
    }
    challenge = 'Bearer error="insufficient_user_authentication", max_age=600'
    assert response.headers["WWW-Authenticate"] == challenge


async def test_a_login_is_recent_for_ten_minutes(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    headers = bearer(await login(client, default_user))
    assert await is_recent(client, headers)
    await move_logins(session, timedelta(minutes=9))
    assert await is_recent(client, headers)
    await move_logins(session, timedelta(minutes=1))
    assert not await is_recent(client, headers)
    assert await is_recent(client, bearer(await login(client, default_user)))


async def test_a_refresh_makes_no_session_recent(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    tokens = await begin(default_user)
    await move_logins(session, timedelta(minutes=9))
    tokens = await refresh(client, tokens)
    assert await is_recent(client, bearer(tokens))
    await move_logins(session, timedelta(minutes=1))
    assert not await is_recent(client, bearer(tokens))
    assert not await is_recent(client, bearer(await refresh(client, tokens)))


async def test_without_a_token_nobody_is_asked_to_log_in_again(client: AsyncClient) -> None:
    for path in ("/recent-login", "/recent-factor"):
        response = await client.get(path)
        assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_the_password_makes_this_session_recent_again_and_no_other(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    mine, other = [bearer(await begin(default_user)) for _ in range(2)]
    await move_logins(session, timedelta(minutes=10))
    response = await reauthenticate(client, mine, {"password": PASSWORD})
    assert (response.status_code, response.content) == (204, b"")
    assert await is_recent(client, mine)
    assert not await is_recent(client, other)
    await move_logins(session, timedelta(minutes=10))
    assert not await is_recent(client, mine)


@pytest.mark.parametrize("password", ["wrong", "the other's password", ""])
async def test_any_other_password_makes_no_session_recent(
    client: AsyncClient, session: AsyncSession, default_user: User, other_user: User, password: str
) -> None:
    body = {"current_password": PASSWORD, "new_password": "the other's password"}
    await client.post("/users/reset-password", json=body, headers=bearer(await begin(other_user)))
    headers = bearer(await begin(default_user))
    await move_logins(session, timedelta(minutes=10))
    response = await reauthenticate(client, headers, {"password": password})
    assert (response.status_code, response.json()) == (400, {"detail": "Incorrect password"})
    assert not await is_recent(client, headers)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"password": None},
        {"password": PASSWORD, "code": "000000"},
        {"password": PASSWORD, "email": "ana@example.com"},
        {"password": [PASSWORD]},
        {"password": "x" * 129},
        [],
        None,
    ],
    ids=str,
)
async def test_any_other_body_is_refused(
    client: AsyncClient, default_user_headers: dict[str, str], body: object
) -> None:
    response = await reauthenticate(client, default_user_headers, body)
    assert response.status_code == 422
    assert PASSWORD not in response.text


async def test_passwords_are_limited_as_those_of_logins_are(
    client: AsyncClient, session: AsyncSession, default_user_headers: dict[str, str]
) -> None:
    """Otherwise whoever has stolen an access token could guess here."""
    await move_logins(session, timedelta(minutes=10))
    for _ in range(10):
        assert (await reauthenticate(client, default_user_headers, {"password": "wrong"})).status_code == 400
    response = await reauthenticate(client, default_user_headers, {"password": PASSWORD})
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 60
    assert not await is_recent(client, default_user_headers)


async def test_right_passwords_cost_nothing(client: AsyncClient, default_user_headers: dict[str, str]) -> None:
    for _ in range(12):
        assert (await reauthenticate(client, default_user_headers, {"password": PASSWORD})).status_code == 204


CHANGES: dict[str, Delete | Update] = {
    "the session is over": delete(LoginSession),
    "the account is gone": delete(User),
    "the account is inactive": update(User).values(is_active=False),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_whoever_is_logged_out_has_nothing_to_make_recent(
    client: AsyncClient, session: AsyncSession, default_user_headers: dict[str, str], change: Delete | Update
) -> None:
    await session.execute(change)
    await session.commit()
    response = await reauthenticate(client, default_user_headers, {"password": PASSWORD})
    assert (response.status_code, response.json()) == (401, {"detail": "Invalid access token"})


MEANWHILE = CHANGES | {
    "another password": update(User).values(password_changed_at=User.password_changed_at + timedelta(seconds=1)),
    "another second factor": update(User).values(factors_changed_at=func.now()),
}
del MEANWHILE["the account is inactive"]  # which ends its sessions, too


@pytest.mark.parametrize("is_committed", [True, False])
@pytest.mark.parametrize("change", MEANWHILE.values(), ids=MEANWHILE)
async def test_a_password_that_is_checked_during_a_change_makes_no_session_recent(
    client: AsyncClient,
    session: AsyncSession,
    default_user_headers: dict[str, str],
    change: Delete | Update,
    is_committed: bool,
) -> None:
    await move_logins(session, timedelta(minutes=10))
    check = reauthentications["password"].check

    async def change_then_check(*args: Any) -> None:
        await session.execute(change)
        if is_committed:
            await session.commit()
        await check(*args)

    way = reauthentications["password"]._replace(check=change_then_check)
    with patch.dict(reauthentications, {"password": way}):
        response = asyncio.create_task(reauthenticate(client, default_user_headers, {"password": PASSWORD}))
        if not is_committed:
            await waiting_for_locks(1)
            await session.commit()
        assert (await response).status_code in {400, 401}
    recent = select(LoginSession.id).where(LoginSession.authenticated_at > func.now() - timedelta(minutes=10))
    assert (await session.scalars(recent)).all() == []


ENDS: dict[str, Delete | Update] = {
    "the session": delete(LoginSession),
    "the account": delete(User),
    "the recent login": update(LoginSession).values(authenticated_at=None),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_what_ends_while_a_route_waits_for_its_owner_has_the_last_word(
    client: AsyncClient, session: AsyncSession, default_user_headers: dict[str, str], end: Delete | Update
) -> None:
    await session.execute(select(User.id).with_for_update())
    waiting = asyncio.create_task(client.get("/locked", headers=default_user_headers))
    await waiting_for_locks(1)
    await session.execute(end)
    await session.commit()
    response = await waiting
    if end is ENDS["the recent login"]:
        assert_not_recent(response)
    else:
        assert response.json() == {"detail": "Invalid access token"}


async def test_accounts_without_a_second_factor_need_no_recent_factor(
    client: AsyncClient, session: AsyncSession, default_user_headers: dict[str, str]
) -> None:
    await move_logins(session, timedelta(minutes=10))
    assert (await client.get("/recent-factor", headers=default_user_headers)).status_code == 200
    assert not await is_recent(client, default_user_headers)


async def test_where_a_second_factor_is_set_up_the_password_alone_makes_no_session_recent(
    client: AsyncClient, session: AsyncSession, default_user: User, other_user: User
) -> None:
    async def is_set_up(_: Database, user_id: uuid.UUID) -> bool:
        return user_id == default_user.id

    with_factor, without = [bearer(await begin(user)) for user in (default_user, other_user)]
    with patch("app.auth.recent_login.second_factors", [SecondFactor(is_set_up, "Wrong feather")]):
        assert (await client.get("/recent-factor", headers=with_factor)).status_code == 200, "it has just logged in"
        await move_logins(session, timedelta(minutes=10))
        assert_not_recent(await client.get("/recent-factor", headers=with_factor))
        assert (await client.get("/recent-factor", headers=without)).status_code == 200
        for password in (PASSWORD, "wrong"):  # which of them is right isn't said
            response = await reauthenticate(client, with_factor, {"password": password})
            assert (response.status_code, response.json()) == (400, {"detail": "Wrong feather"})
        assert not await is_recent(client, with_factor)
        assert (await reauthenticate(client, without, {"password": PASSWORD})).status_code == 204


async def test_a_feature_may_want_more_than_a_recent_login(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str]
) -> None:
    async def refuse(_: Database, caller: Caller) -> None:
        raise HTTPException(403, f"Not {caller.email}")

    with patch("app.api.deps.recent_login_rules", [refuse]):
        response = await client.get("/recent-login", headers=default_user_headers)
        assert (response.status_code, response.json()) == (403, {"detail": f"Not {default_user.email}"})
        assert (await client.get("/recent-factor", headers=default_user_headers)).status_code == 200
