"""Setting a second factor up, renewing its recovery codes, and removing it."""

import uuid

import pytest
from httpx import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.features.second_factor.models import RecoveryCode
from app.features.second_factor.tests.helpers import (
    Factor,
    answer,
    begin_set_up,
    code_at,
    confirm,
    log_in,
    mfa_token,
    now,
    set_up,
    state,
)
from app.models import User
from app.tests.helpers import bearer, login, tokens_in

pytestmark = pytest.mark.usefixtures("one_moment")


async def test_a_second_app_is_refused(client: AsyncClient, default_user: User, factor: Factor) -> None:
    headers = await log_in(client, default_user, factor.code())
    response = await client.post("/auth/totp", headers=headers)
    assert (response.status_code, response.json()) == (409, {"detail": "A second factor is set up already"})


async def test_a_new_secret_replaces_one_that_was_not_confirmed(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    first, second = [await begin_set_up(client, default_user_headers) for _ in range(2)]
    for secret, status in ((first, 400), (second, 200)):
        assert (await confirm(client, default_user_headers, code_at(secret, now()))).status_code == status


async def test_an_app_is_confirmed_once(client: AsyncClient, default_user: User, factor: Factor) -> None:
    headers = await log_in(client, default_user, factor.code())
    response = await confirm(client, headers, factor.code(1))
    assert (response.status_code, response.json()) == (400, {"detail": "Invalid code"})
    assert await state(client, headers) == (True, 10)


async def test_new_recovery_codes_replace_the_old_ones(client: AsyncClient, default_user: User, factor: Factor) -> None:
    response = await client.post("/auth/recovery-codes", headers=await log_in(client, default_user, factor.code()))
    assert response.status_code == 200
    new = response.json()["recovery_codes"]
    assert len(set(new)) == 10
    assert not set(new) & set(factor.recovery_codes)
    token = await mfa_token(client, default_user)
    assert (await answer(client, token, factor.recovery_codes[0])).status_code == 400
    assert (await answer(client, token, new[0])).status_code == 200


async def test_without_the_app_the_password_is_enough_again(
    client: AsyncClient, session: AsyncSession, default_user: User, factor: Factor
) -> None:
    headers, token = await log_in(client, default_user, factor.code()), await mfa_token(client, default_user)
    assert (await client.delete("/auth/totp", headers=headers)).status_code == 204
    assert (await client.delete("/auth/totp", headers=headers)).status_code == 404
    assert (await answer(client, token, factor.code(1))).status_code == 400
    assert (await session.scalars(select(RecoveryCode))).all() == []
    again = await set_up(client, bearer(await login(client, default_user)))
    assert (await answer(client, token, again.code())).status_code == 400, "the token is for the removed factor"


@pytest.mark.parametrize("change", [("DELETE", "/auth/totp"), ("POST", "/auth/recovery-codes")], ids=" ".join)
async def test_an_unconfirmed_app_is_nothing_to_remove(
    client: AsyncClient, default_user_headers: dict[str, str], change: tuple[str, str]
) -> None:
    code = code_at(await begin_set_up(client, default_user_headers), now())
    response = await client.request(*change, headers=default_user_headers)
    assert (response.status_code, response.json()) == (404, {"detail": "No second factor is set up"})
    assert (await confirm(client, default_user_headers, code)).status_code == 200


async def test_a_superuser_takes_away_the_factors_of_who_has_lost_them(
    client: AsyncClient, default_user: User, superuser: User, superuser_headers: dict[str, str], factor: Factor
) -> None:
    headers = bearer(tokens_in(await answer(client, await mfa_token(client, default_user), factor.code())))
    path = f"/users/{default_user.id}/second-factor"
    assert (await client.delete(path, headers=headers)).status_code == 403
    assert (await client.delete(path, headers=superuser_headers)).status_code == 204
    assert (await client.get("/users/me", headers=headers)).status_code == 401
    await login(client, default_user)
    assert (await client.delete(f"/users/{uuid.uuid4()}/second-factor", headers=superuser_headers)).status_code == 404
    own = await client.delete(f"/users/{superuser.id}/second-factor", headers=superuser_headers)
    assert own.status_code == 409
