"""What makes a session recent where the account has a second factor, and which routes want that."""

from datetime import timedelta

import pytest
from httpx import AsyncClient, Response
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.features.second_factor.tests.helpers import (
    Factor,
    begin_set_up,
    log_in,
    reauthenticate,
    set_up,
    state,
)
from app.models import LoginSession, User
from app.tests.helpers import PASSWORD, bearer, begin, refresh

pytestmark = pytest.mark.usefixtures("one_moment")

OF_THE_FACTOR = {
    ("POST", "/auth/totp"): None,
    ("POST", "/auth/totp/confirm"): {"code": "000000"},
    ("DELETE", "/auth/totp"): None,
    ("POST", "/auth/recovery-codes"): None,
}
OF_THE_ACCOUNT: dict[tuple[str, str], dict[str, str] | None] = {
    ("POST", "/users/reset-password"): {"current_password": PASSWORD, "new_password": "a new and better one"},
    ("DELETE", "/users/me"): None,
}
ALL = OF_THE_FACTOR | OF_THE_ACCOUNT


TEN_MINUTES = timedelta(minutes=10)


def assert_not_recent(response: Response) -> None:
    """RFC 9470 section 3."""
    assert response.status_code == 401, response.text
    challenge = 'Bearer error="insufficient_user_authentication", max_age=600'
    assert response.headers["WWW-Authenticate"] == challenge
    assert response.json()["error"] == "insufficient_user_authentication"


async def pass_ten_minutes(session: AsyncSession) -> None:
    await session.execute(update(LoginSession).values(authenticated_at=LoginSession.authenticated_at - TEN_MINUTES))
    await session.commit()


async def send(client: AsyncClient, call: tuple[str, str], headers: dict[str, str]) -> Response:
    return await client.request(*call, json=ALL[call], headers=headers)


@pytest.mark.parametrize("call", OF_THE_FACTOR, ids=" ".join)
async def test_changing_a_factor_wants_a_recent_login(
    client: AsyncClient, session: AsyncSession, default_user_headers: dict[str, str], call: tuple[str, str]
) -> None:
    """Also where none is set up yet: otherwise a stolen access token could lock the owner out."""
    await pass_ten_minutes(session)
    assert_not_recent(await send(client, call, default_user_headers))
    assert (await reauthenticate(client, default_user_headers, password=PASSWORD)).status_code == 204
    assert (await send(client, call, default_user_headers)).status_code != 401


@pytest.mark.parametrize("call", OF_THE_ACCOUNT, ids=" ".join)
async def test_changing_an_account_wants_nothing_more_where_no_factor_is_set_up(
    client: AsyncClient, session: AsyncSession, default_user_headers: dict[str, str], call: tuple[str, str]
) -> None:
    await begin_set_up(client, default_user_headers)  # unconfirmed
    await pass_ten_minutes(session)
    assert (await send(client, call, default_user_headers)).status_code == 204


@pytest.mark.parametrize("call", ALL, ids=" ".join)
async def test_no_older_session_is_recent_once_the_app_is_confirmed(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str], factor: Factor, call: tuple[str, str]
) -> None:
    assert_not_recent(await send(client, call, default_user_headers))
    response = await reauthenticate(client, default_user_headers, password=PASSWORD)
    assert (response.status_code, response.json()) == (400, {"detail": "Invalid code"}), "the password isn't enough"
    assert_not_recent(await send(client, call, default_user_headers))
    assert await state(client, default_user_headers) == (True, 10)


async def test_no_session_at_all_is_recent_once_the_app_is_confirmed(client: AsyncClient, default_user: User) -> None:
    """test_races.py has the sessions that begin meanwhile."""
    mine, other = await begin(default_user), await begin(default_user)
    await set_up(client, bearer(mine))
    for headers in (bearer(mine), bearer(other), bearer(await refresh(client, other))):
        assert_not_recent(await client.delete("/auth/totp", headers=headers))


async def test_a_login_with_a_code_is_recent_for_ten_minutes(
    client: AsyncClient, session: AsyncSession, default_user: User, factor: Factor
) -> None:
    headers = await log_in(client, default_user, factor.code())
    assert (await client.post("/auth/recovery-codes", headers=headers)).status_code == 200
    await pass_ten_minutes(session)
    assert_not_recent(await client.post("/auth/recovery-codes", headers=headers))


@pytest.mark.parametrize("call", ALL, ids=" ".join)
async def test_a_code_makes_this_session_recent_and_no_other(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str], call: tuple[str, str]
) -> None:
    other = bearer(await begin(default_user))
    factor = await set_up(client, default_user_headers)
    assert (await reauthenticate(client, default_user_headers, code=factor.code())).status_code == 204
    assert_not_recent(await send(client, call, other))
    assert (await send(client, call, default_user_headers)).status_code != 401


async def test_a_code_is_good_for_one_re_authentication(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str], factor: Factor
) -> None:
    for code in (factor.code(), factor.recovery_codes[0]):
        assert (await reauthenticate(client, default_user_headers, code=code)).status_code == 204
        response = await reauthenticate(client, default_user_headers, code=code)
        assert (response.status_code, response.json()) == (400, {"detail": "Invalid code"})
    await log_in(client, default_user, factor.code(1))


async def test_a_code_proves_nothing_where_no_factor_is_set_up(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    secret = await begin_set_up(client, default_user_headers)
    response = await reauthenticate(client, default_user_headers, code=Factor(secret, []).code())
    assert (response.status_code, response.json()) == (400, {"detail": "Invalid code"})
