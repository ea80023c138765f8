"""Superusers with an authenticator app, and whoever has stolen a superuser's password or session."""

import pytest
from httpx import AsyncClient

from app.features.second_factor.tests.helpers import answer, log_in, mfa_token, reauthenticate, set_up
from app.features.superuser_factor.tests.helpers import REFUSED, has_rights
from app.models import User
from app.tests.helpers import PASSWORD, bearer, begin, login, refresh, tokens_in, try_login

pytestmark = pytest.mark.usefixtures("one_moment", "required")


async def test_a_superuser_begins_with_the_password_and_gets_the_rights_with_the_first_code(
    client: AsyncClient, superuser: User
) -> None:
    headers = bearer(await login(client, superuser))
    factor = await set_up(client, headers)
    assert not await has_rights(client, headers), "a password began it"
    for code in (factor.code(), factor.recovery_codes[0]):
        tokens = tokens_in(await answer(client, await mfa_token(client, superuser), code))
        assert await has_rights(client, bearer(tokens))
        assert await has_rights(client, bearer(await refresh(client, tokens)))


async def test_a_stolen_password_gives_nothing(client: AsyncClient, superuser: User) -> None:
    await set_up(client, bearer(await begin(superuser)))
    response = await try_login(client, superuser.email)
    assert (response.status_code, response.json()["error"]) == (403, "mfa_required")
    headers = {"Authorization": f"Bearer {response.json()['mfa_token']}"}
    assert (await client.get("/users", headers=headers)).status_code == 401


async def test_a_session_that_was_stolen_before_the_app_was_confirmed_gives_no_rights_and_adds_no_factor(
    client: AsyncClient, superuser: User
) -> None:
    stolen = await login(client, superuser)
    setup = await client.post("/auth/totp", headers=bearer(stolen))  # the thief's own app, replaced by the owner's
    assert setup.status_code == 200
    factor = await set_up(client, bearer(await login(client, superuser)))
    for headers in (bearer(stolen), bearer(await refresh(client, stolen))):
        assert not await has_rights(client, headers)
        assert (await reauthenticate(client, headers, password=PASSWORD)).status_code == 400
        for method, path in (("POST", "/auth/totp"), ("DELETE", "/auth/totp"), ("POST", "/auth/recovery-codes")):
            assert (await client.request(method, path, headers=headers)).status_code == 401
        assert not await has_rights(client, headers)
    assert await has_rights(client, await log_in(client, superuser, factor.code()))


async def test_a_code_in_a_session_that_a_password_began_makes_it_recent_but_gives_no_rights(
    client: AsyncClient, superuser: User
) -> None:
    headers = bearer(await begin(superuser))
    factor = await set_up(client, headers)
    assert (await reauthenticate(client, headers, code=factor.code())).status_code == 204
    assert (await client.post("/auth/recovery-codes", headers=headers)).status_code == 200
    assert not await has_rights(client, headers)


async def test_without_rights_nobody_takes_away_the_factors_of_another(
    client: AsyncClient, superuser: User, default_user: User, default_user_headers: dict[str, str]
) -> None:
    factor = await set_up(client, default_user_headers)
    path = f"/users/{default_user.id}/second-factor"
    response = await client.delete(path, headers=bearer(await login(client, superuser)))
    assert (response.status_code, response.json()) == REFUSED
    await log_in(client, default_user, factor.code())
