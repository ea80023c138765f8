"""Changes of a second factor beside other requests of the same account, all of which really commit."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import AsyncClient, Response
from sqlalchemy import Delete, Update, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.endpoints.reauthentication import reauthentications
from app.auth import known_clients, login
from app.features.second_factor.models import RecoveryCode, TotpSecret
from app.features.second_factor.tests.helpers import (
    answer,
    begin_set_up,
    code_at,
    confirm,
    log_in,
    mfa_token,
    now,
    reauthenticate,
    set_up,
    state,
)
from app.models import KnownClient, LoginSession, User
from app.tests.helpers import PASSWORD, bearer, begin, client_at, try_login, waiting_for_locks

pytestmark = pytest.mark.usefixtures("one_moment")

Confirm = Callable[[], Awaitable[None]]
NOT_RECENT = 'Bearer error="insufficient_user_authentication", max_age=600'


@pytest.fixture
async def confirm_app(client: AsyncClient, default_user_headers: dict[str, str]) -> Confirm:
    """Confirms the default user's app, which is set up already."""
    code = code_at(await begin_set_up(client, default_user_headers), now())

    async def confirm_it() -> None:
        assert (await confirm(client, default_user_headers, code)).status_code == 200

    return confirm_it


@asynccontextmanager
async def confirming(session: AsyncSession, user: User, confirm_app: Confirm) -> AsyncIterator[None]:
    """While this lasts, the app is being confirmed: all is written, but not committed."""
    session.add(KnownClient(user.id, b"any", datetime.now(UTC) + timedelta(days=1)))
    await session.commit()
    await session.execute(select(KnownClient).with_for_update())  # the last row that a confirmation needs
    confirmation = asyncio.ensure_future(confirm_app())
    await waiting_for_locks(1)
    try:
        yield
    finally:
        await session.rollback()
        await confirmation


async def methods_of_recent_sessions(session: AsyncSession) -> list[str]:
    recent = select(LoginSession.login_method).where(LoginSession.authenticated_at.is_not(None))
    return list(await session.scalars(recent))


async def assert_nobody_got_in(session: AsyncSession, response: Response) -> None:
    assert response.status_code in {400, 403}, response.text
    assert "access_token" not in response.json()
    assert await session.scalar(select(func.count()).select_from(LoginSession)) == 1, "the owner's session only"


async def test_a_password_login_that_is_in_flight_when_the_app_is_confirmed_ends_without_a_session(
    client: AsyncClient,
    session: AsyncSession,
    default_user: User,
    confirm_app: Confirm,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def confirm_now(*_: object) -> None:
        await confirm_app()

    monkeypatch.setattr(login, "login_steps", [*login.login_steps, confirm_now])
    await assert_nobody_got_in(session, await try_login(client_at("203.0.113.1"), default_user.email))
    assert await session.scalar(select(func.count()).select_from(KnownClient)) == 1, "the owner's client only"


async def test_a_password_login_waits_for_a_confirmation_and_ends_without_a_session(
    client: AsyncClient, session: AsyncSession, default_user: User, confirm_app: Confirm
) -> None:
    async with confirming(session, default_user, confirm_app):
        response = asyncio.create_task(try_login(client, default_user.email))
        await waiting_for_locks(2)
    await assert_nobody_got_in(session, await response)


async def test_a_client_that_logged_in_by_password_just_before_the_confirmation_does_not_become_known_after_it(
    session: AsyncSession, default_user: User, confirm_app: Confirm, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember_client = known_clients.remember_client

    async def remember_later(*args: Any) -> None:
        await confirm_app()
        await remember_client(*args)

    monkeypatch.setattr(login, "remember_client", remember_later)
    assert (await try_login(client_at("203.0.113.1"), default_user.email)).status_code == 200
    assert await session.scalar(select(func.count()).select_from(KnownClient)) == 1, "the owner's client only"
    assert await methods_of_recent_sessions(session) == []


@pytest.mark.parametrize("confirmed_first", [True, False])
async def test_a_password_that_is_checked_while_the_app_is_confirmed_makes_no_session_recent(
    client: AsyncClient,
    session: AsyncSession,
    default_user: User,
    confirm_app: Confirm,
    monkeypatch: pytest.MonkeyPatch,
    confirmed_first: bool,
) -> None:
    check = reauthentications["password"].check

    async def check_slowly(*args: Any) -> None:
        if confirmed_first:
            await confirm_app()
        await check(*args)
        if not confirmed_first:
            await confirm_app()

    headers = bearer(await begin(default_user))
    monkeypatch.setitem(reauthentications, "password", reauthentications["password"]._replace(check=check_slowly))
    response = await reauthenticate(client, headers, password=PASSWORD)
    assert response.status_code == (400 if confirmed_first else 401)
    assert await methods_of_recent_sessions(session) == []


async def test_a_re_authentication_by_password_waits_for_a_confirmation_and_makes_no_session_recent(
    client: AsyncClient, session: AsyncSession, default_user: User, confirm_app: Confirm
) -> None:
    headers = bearer(await begin(default_user))
    async with confirming(session, default_user, confirm_app):
        response = asyncio.create_task(reauthenticate(client, headers, password=PASSWORD))
        await waiting_for_locks(2)
    assert (await response).status_code == 401
    assert await methods_of_recent_sessions(session) == []


async def test_password_logins_beside_a_confirmation_leave_no_session_recent(
    client: AsyncClient, session: AsyncSession, default_user: User, confirm_app: Confirm
) -> None:
    """In whatever order they come."""
    others = [bearer(await begin(default_user)) for _ in range(4)]
    logins = [try_login(client, default_user.email) for _ in range(4)]
    proved = [reauthenticate(client, headers, password=PASSWORD) for headers in others]
    responses, _, _ = await asyncio.gather(
        asyncio.gather(*logins[:2], *proved[:2]), confirm_app(), asyncio.gather(*logins[2:], *proved[2:])
    )
    assert {response.status_code for response in responses} <= {200, 204, 400, 401, 403}
    assert await methods_of_recent_sessions(session) == []


async def test_a_password_alone_changes_no_password_once_the_app_is_being_confirmed(
    client: AsyncClient, session: AsyncSession, default_user: User, confirm_app: Confirm
) -> None:
    headers, email = bearer(await begin(default_user)), default_user.email
    body = {"current_password": PASSWORD, "new_password": "a new and better one"}
    async with confirming(session, default_user, confirm_app):
        change = asyncio.create_task(client.post("/users/reset-password", json=body, headers=headers))
        await waiting_for_locks(2)
    assert (await change).status_code == 400
    assert (await try_login(client, email)).status_code == 403, "it is the right password still"


@pytest.mark.parametrize("path", ["/auth/totp", "/auth/totp/confirm"])
async def test_a_change_that_waited_for_a_confirmation_wants_a_recent_login_anew(
    client: AsyncClient, session: AsyncSession, default_user: User, confirm_app: Confirm, path: str
) -> None:
    headers = bearer(await begin(default_user))
    async with confirming(session, default_user, confirm_app):
        if path.endswith("confirm"):
            change = asyncio.create_task(confirm(client, headers, "000000"))
        else:
            change = asyncio.create_task(client.delete(path, headers=headers))
        await waiting_for_locks(2)
    response = await change
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, NOT_RECENT)
    assert await state(client, headers) == (True, 10)


async def test_the_end_of_all_sessions_beside_a_confirmation_is_no_deadlock(
    client: AsyncClient, session: AsyncSession, default_user: User, confirm_app: Confirm
) -> None:
    headers = bearer(await begin(default_user))
    async with confirming(session, default_user, confirm_app):
        end = asyncio.create_task(client.post("/auth/logout-all", headers=headers))
        await waiting_for_locks(2)
    assert (await end).status_code == 204
    assert (await session.scalars(select(LoginSession))).all() == []
    assert len(await stored(session)) == 11


CHANGES_OF_FACTOR = [("POST", "/auth/totp/confirm"), ("DELETE", "/auth/totp"), ("POST", "/auth/recovery-codes")]
ENDS = {
    "sessions": delete(LoginSession),
    "account": delete(User),
    "recent login": update(LoginSession).values(authenticated_at=None),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("change", CHANGES_OF_FACTOR, ids=" ".join)
async def test_what_ends_a_session_or_its_account_meanwhile_has_the_last_word(
    client: AsyncClient,
    session: AsyncSession,
    default_user: User,
    default_user_headers: dict[str, str],
    change: tuple[str, str],
    end: Delete | Update,
) -> None:
    """Neither does a deletion, which locks the account first and the factor then, end in a deadlock."""
    headers, body = default_user_headers, None
    if change == CHANGES_OF_FACTOR[0]:
        body = {"code": code_at(await begin_set_up(client, headers), now())}
    else:
        headers = await log_in(client, default_user, (await set_up(client, headers)).code())
    before = await stored(session)
    await session.execute(select(User.id).with_for_update())
    response = asyncio.create_task(client.request(*change, json=body, headers=headers))
    await waiting_for_locks(1)
    await session.execute(end)
    await session.commit()
    assert (await response).status_code == 401
    assert await stored(session) == ([] if end is ENDS["account"] else before)


@pytest.mark.parametrize("method", ["totp", "recovery_code"])
async def test_a_login_with_a_code_beside_the_removal_of_the_app_ends_without_a_session(
    client: AsyncClient,
    session: AsyncSession,
    default_user: User,
    default_user_headers: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    factor = await set_up(client, default_user_headers)
    headers, token = await log_in(client, default_user, factor.code()), await mfa_token(client, default_user)

    async def remove_now(*_: object) -> None:
        assert (await client.delete("/auth/totp", headers=headers)).status_code == 204

    monkeypatch.setattr(login, "login_steps", [remove_now])
    code = factor.code(1) if method == "totp" else factor.recovery_codes[0]
    assert (await answer(client, token, code)).status_code == 400
    assert await session.scalar(select(func.count()).select_from(LoginSession)) == 2


async def stored(session: AsyncSession) -> list[object]:
    """Which accounts have which factors."""
    factors = select(TotpSecret.user_id, TotpSecret.confirmed_at)
    codes = select(RecoveryCode.user_id, RecoveryCode.code).order_by(RecoveryCode.code)
    rows: list[object] = [*(await session.execute(factors)), *(await session.execute(codes))]
    await session.commit()
    return rows
