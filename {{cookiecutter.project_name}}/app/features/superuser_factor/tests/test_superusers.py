"""The rights of superusers, by how their sessions began."""

import pytest
from httpx import AsyncClient

from app.features.superuser_factor.tests.helpers import REFUSED, begin_with, has_rights
from app.models import User
from app.tests.helpers import PASSWORD, bearer, login, refresh
from app.tests.other_settings import other_settings

ROUTES = [
    ("GET", "/users", None),
    ("GET", "/users/{user_id}", None),
    ("PATCH", "/users/{user_id}", {"is_superuser": True}),
    ("DELETE", "/users/{user_id}", None),
]


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: " ".join(route[:2]))
async def test_a_superusers_password_alone_gives_the_rights_of_an_ordinary_user(
    client: AsyncClient, superuser: User, default_user: User, route: tuple[str, str, dict[str, bool] | None]
) -> None:
    method, path, body = route
    headers = bearer(await login(client, superuser))
    for user in (default_user, superuser):
        response = await client.request(method, path.format(user_id=user.id), json=body, headers=headers)
        assert (response.status_code, response.json()) == REFUSED
    assert (await client.get("/users/me", headers=headers)).status_code == 200


@pytest.mark.usefixtures("required")
async def test_neither_a_refresh_nor_a_re_authentication_makes_up_for_it(client: AsyncClient, superuser: User) -> None:
    tokens = await refresh(client, await login(client, superuser))
    proof = {"password": PASSWORD}
    assert (await client.post("/auth/reauthenticate", json=proof, headers=bearer(tokens))).status_code == 204
    for headers in (bearer(tokens), bearer(await refresh(client, tokens))):
        assert not await has_rights(client, headers)


@pytest.mark.usefixtures("required")
async def test_a_session_that_more_than_a_password_began_gives_all_rights_however_often_it_is_refreshed(
    client: AsyncClient, superuser: User
) -> None:
    tokens = await begin_with("more", superuser)
    assert await has_rights(client, bearer(tokens))
    for _ in range(2):
        tokens = await refresh(client, tokens)
        assert await has_rights(client, bearer(tokens))


@pytest.mark.usefixtures("required")
async def test_it_makes_nobody_a_superuser(client: AsyncClient, default_user: User) -> None:
    assert not await has_rights(client, bearer(await begin_with("more", default_user)))


async def test_unless_it_is_required_a_password_is_enough(
    client: AsyncClient, superuser: User, default_user_headers: dict[str, str]
) -> None:
    headers = bearer(await login(client, superuser))
    assert await has_rights(client, headers)
    response = await client.get("/users", headers=default_user_headers)
    assert (response.status_code, response.json()) == (
        403,
        {"detail": "Only superusers may do this", "error": "insufficient_scope"},
    )
    with other_settings(SUPERUSER_SECOND_FACTOR="required"):
        assert not await has_rights(client, headers), "from now on, also in the sessions that there are"
