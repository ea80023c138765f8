"""How often codes may be guessed, and by whom."""

from collections import Counter

import pytest
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.features.second_factor.tests.helpers import (
    Factor,
    answer,
    begin_set_up,
    confirm,
    log_in,
    mfa_token,
    reauthenticate,
    set_up,
)
from app.models import User
from app.tests.helpers import client_at, login

pytestmark = pytest.mark.usefixtures("one_moment")


async def test_at_most_twenty_codes_an_hour_are_tried_from_however_many_addresses(
    client: AsyncClient, session: AsyncSession, default_user: User, factor: Factor
) -> None:
    token = await mfa_token(client, default_user)
    tried = Counter[int]()
    for quarter in range(5):  # of an hour
        for number in range(1, 9):
            tried[(await answer(client_at(f"203.0.113.{number}"), token, "000000")).status_code] += 1
        for _ in range(4):
            tried[(await answer(client, token, "000000")).status_code] += 1  # the owner's own address
        if quarter < 4:
            await session.execute(text("UPDATE rate_limits SET resets_at = resets_at - interval '15 minutes'"))
            await session.commit()
    assert tried[400] <= 20
    assert tried[429] == 60 - tried[400]


async def test_those_who_guess_elsewhere_do_not_keep_the_owner_out(
    client: AsyncClient, default_user: User, factor: Factor
) -> None:
    token = await mfa_token(client, default_user)
    statuses = [(await answer(client_at(f"203.0.113.{i}"), token, "000000")).status_code for i in range(1, 9)]
    assert statuses == [400] * 5 + [429] * 3
    assert (await answer(client, token, factor.code())).status_code == 200


async def test_a_stolen_access_token_does_not_keep_the_owner_out(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str]
) -> None:
    thief = client_at("203.0.113.1")

    async def guess() -> int:
        return (await confirm(thief, default_user_headers, "000000")).status_code

    await login(client, default_user)
    await begin_set_up(client, default_user_headers)
    assert [await guess() for _ in range(6)] == [400] * 5 + [429]
    factor = await set_up(client, default_user_headers)
    assert [await guess() for _ in range(6)] == [401] * 6, "the session isn't recent any more"
    assert (await answer(client, await mfa_token(client, default_user), factor.code())).status_code == 200


async def test_codes_for_a_re_authentication_are_limited_and_take_no_attempt_from_logins(
    client: AsyncClient, default_user: User, factor: Factor
) -> None:
    """Otherwise whoever has stolen an access token could keep the owner from logging in."""
    elsewhere = client_at("203.0.113.1")  # unknown to the account, as the owner's next client is
    stolen = await log_in(client, default_user, factor.code())
    for expected in [400] * 5 + [429] * 2:
        response = await reauthenticate(elsewhere, stolen, code="000000")
        assert response.status_code == expected
    assert 0 < int(response.headers["Retry-After"]) <= 12 * 60
    owner = client_at("203.0.113.2")
    assert (await answer(owner, await mfa_token(owner, default_user), factor.code(1))).status_code == 200


async def test_the_right_password_alone_does_not_make_a_client_known(
    client: AsyncClient, default_user: User, factor: Factor
) -> None:
    """Otherwise whoever has stolen it could use up the codes of the owner's own addresses."""
    thief = client_at("203.0.113.1")
    token = await mfa_token(thief, default_user)
    statuses = [(await answer(thief, token, "000000")).status_code for _ in range(8)]
    assert statuses == [400] * 5 + [429] * 3
    assert (await answer(client, token, factor.code())).status_code == 200


async def test_a_client_that_had_only_the_password_is_not_known_any_more(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str]
) -> None:
    thief = client_at("203.0.113.1")
    await login(thief, default_user)
    factor = await set_up(client, default_user_headers)
    token = await mfa_token(thief, default_user)
    assert [(await answer(thief, token, "000000")).status_code for _ in range(6)] == [400] * 5 + [429]
    assert (await answer(client, token, factor.code())).status_code == 200


async def test_right_codes_cost_nothing(
    client: AsyncClient, session: AsyncSession, default_user: User, factor: Factor
) -> None:
    token = await mfa_token(client, default_user)
    for code in factor.recovery_codes:
        assert (await answer(client, token, code)).status_code == 200
    response = await answer(client, token, factor.recovery_codes[0])
    assert response.status_code == 400


async def test_logging_in_again_and_again_costs_nothing(
    client: AsyncClient, default_user: User, factor: Factor
) -> None:
    for code in (factor.code(), factor.code(1), *factor.recovery_codes):  # more than a client's passwords in a minute
        await log_in(client, default_user, code)


async def test_a_client_that_logged_in_is_known(client: AsyncClient, default_user: User, factor: Factor) -> None:
    elsewhere = client_at("203.0.113.1")
    token = await mfa_token(elsewhere, default_user)
    assert (await answer(elsewhere, token, factor.code())).status_code == 200
    for number in range(2, 10):
        await answer(client_at(f"203.0.113.{number}"), token, "000000")
    assert (await answer(elsewhere, token, factor.code(1))).status_code == 200


async def test_a_right_code_in_vain_says_when_to_come_back(
    client: AsyncClient, default_user: User, factor: Factor
) -> None:
    token = await mfa_token(client, default_user)
    for _ in range(5):
        await answer(client, token, "000000")
    response = await answer(client, token, factor.code())
    assert (response.status_code, response.json()["error"]) == (429, "temporarily_unavailable")
    assert 0 < int(response.headers["Retry-After"]) <= 12 * 60
