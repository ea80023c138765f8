"""`GET /users` and `GET`, `PATCH`, `DELETE /users/{id}`: for superusers."""

import asyncio
import uuid

import pytest
from httpx import AsyncClient
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.endpoints.users import SUPERUSERS_LOCK
from app.models import LoginSession, User
from app.tests.helpers import Json, bearer, begin, is_logged_in, try_login, try_refresh, waiting_for_locks

LAST_SUPERUSER = {"detail": "The last active superuser must remain"}
FIELDS = {"id", "email", "is_active", "is_superuser", "email_verified_at", "created_at", "updated_at"}

every_way_to_lose_a_superuser = pytest.mark.parametrize(
    ("method", "change"), [("DELETE", None), ("PATCH", {"is_active": False}), ("PATCH", {"is_superuser": False})]
)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/users"), *((m, "/users/{}") for m in ("GET", "PATCH", "DELETE"))]
)
async def test_only_superusers_may_manage_users(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str], method: str, path: str
) -> None:
    body = {"is_superuser": True} if method == "PATCH" else None
    response = await client.request(method, path.format(default_user.id), json=body, headers=default_user_headers)
    assert (response.status_code, response.json()) == (
        403,
        {"detail": "Only superusers may do this", "error": "insufficient_scope"},
    )
    assert (await client.request(method, path.format(default_user.id), json=body)).status_code == 401


async def test_superusers_list_all_users_by_email(
    client: AsyncClient, superuser_headers: dict[str, str], default_user: User, other_user: User
) -> None:
    response = await client.get("/users", headers=superuser_headers)
    assert response.status_code == 200
    assert [user["email"] for user in response.json()] == ["ana@example.com", "bob@example.com", "root@example.com"]
    assert set(response.json()[0]) == FIELDS


async def test_superusers_read_any_user(
    client: AsyncClient, superuser_headers: dict[str, str], default_user: User
) -> None:
    response = await client.get(f"/users/{default_user.id}", headers=superuser_headers)
    assert response.status_code == 200
    assert set(response.json()) == FIELDS
    expected = {"id": str(default_user.id), "email": default_user.email, "is_active": True, "is_superuser": False}
    assert response.json() | expected == response.json()


async def test_deactivation_ends_every_session_at_once_and_for_good(
    client: AsyncClient, superuser_headers: dict[str, str], default_user: User
) -> None:
    tokens, user_path = await begin(default_user), f"/users/{default_user.id}"
    response = await client.patch(user_path, json={"is_active": False}, headers=superuser_headers)
    assert (response.status_code, response.json()["is_active"]) == (200, False)
    assert not await is_logged_in(client, tokens)
    assert (await try_refresh(client, tokens["refresh_token"])).status_code == 400
    assert (await try_login(client, default_user.email)).status_code == 400

    response = await client.patch(user_path, json={"is_active": True}, headers=superuser_headers)
    assert (response.status_code, response.json()["is_active"]) == (200, True)
    assert not await is_logged_in(client, tokens)
    assert (await try_refresh(client, tokens["refresh_token"])).status_code == 400
    assert (await try_login(client, default_user.email)).status_code == 200


async def test_a_change_sets_updated_at(
    client: AsyncClient, superuser_headers: dict[str, str], default_user: User
) -> None:
    user_path = f"/users/{default_user.id}"
    before = (await client.get(user_path, headers=superuser_headers)).json()
    after = (await client.patch(user_path, json={"is_active": False}, headers=superuser_headers)).json()
    assert after["created_at"] == before["created_at"]
    assert after["updated_at"] > before["updated_at"]


async def test_granting_and_revoking_superuser_rights_takes_effect_at_once(
    client: AsyncClient, superuser_headers: dict[str, str], default_user: User
) -> None:
    tokens, user_path = await begin(default_user), f"/users/{default_user.id}"
    for is_superuser, status in ((True, 200), (False, 403)):
        change = {"is_superuser": is_superuser}
        response = await client.patch(user_path, json=change, headers=superuser_headers)
        assert (response.status_code, response.json()["is_superuser"]) == (200, is_superuser)
        assert (await client.get("/users", headers=bearer(tokens))).status_code == status


@pytest.mark.parametrize("change", [{}, {"is_active": None}, {"is_active": True, "is_superuser": None}], ids=str)
async def test_fields_that_are_not_given_stay_as_they_are(
    client: AsyncClient, superuser_headers: dict[str, str], default_user: User, change: Json
) -> None:
    tokens = await begin(default_user)
    response = await client.patch(f"/users/{default_user.id}", json=change, headers=superuser_headers)
    assert response.status_code == 200
    assert (response.json()["is_active"], response.json()["is_superuser"]) == (True, False)
    assert await is_logged_in(client, tokens)


async def test_superusers_delete_users_with_their_sessions(
    client: AsyncClient, superuser_headers: dict[str, str], default_user: User
) -> None:
    tokens = await begin(default_user)
    assert (await client.delete(f"/users/{default_user.id}", headers=superuser_headers)).status_code == 204
    assert not await is_logged_in(client, tokens)
    assert (await try_refresh(client, tokens["refresh_token"])).status_code == 400
    assert (await client.get(f"/users/{default_user.id}", headers=superuser_headers)).status_code == 404


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {"is_active": False}), ("DELETE", None)])
async def test_a_user_that_does_not_exist_is_a_404(
    client: AsyncClient, superuser_headers: dict[str, str], method: str, body: Json | None
) -> None:
    response = await client.request(method, f"/users/{uuid.uuid4()}", json=body, headers=superuser_headers)
    assert (response.status_code, response.json()) == (404, {"detail": "User not found"})


@every_way_to_lose_a_superuser
async def test_the_last_active_superuser_cannot_be_removed(
    client: AsyncClient, session: AsyncSession, superuser: User, other_user: User, *, method: str, change: Json | None
) -> None:
    other_user.is_superuser, other_user.is_active = True, False  # an inactive superuser doesn't count
    await session.commit()
    headers = bearer(await begin(superuser))
    response = await client.request(method, f"/users/{superuser.id}", json=change, headers=headers)
    assert (response.status_code, response.json()) == (409, LAST_SUPERUSER)
    assert (await client.get("/users", headers=headers)).status_code == 200


@every_way_to_lose_a_superuser
async def test_one_superuser_stays_even_if_all_remove_each_other_at_once(
    client: AsyncClient, session: AsyncSession, superuser: User, default_user: User, *, method: str, change: Json | None
) -> None:
    default_user.is_superuser = True
    await session.commit()
    for _ in range(5):
        pair = (superuser, default_user)
        headers = [bearer(await begin(user)) for user in pair]
        responses = await asyncio.gather(
            client.request(method, f"/users/{superuser.id}", json=change, headers=headers[1]),
            client.request(method, f"/users/{default_user.id}", json=change, headers=headers[0]),
        )
        assert sum(response.status_code in {200, 204} for response in responses) == 1
        superusers = select(func.count()).select_from(User).where(User.is_superuser, User.is_active)
        assert await session.scalar(superusers) == 1
        if method == "DELETE":
            break
        for user in pair:
            await session.refresh(user)
            user.is_active = user.is_superuser = True
        await session.commit()


async def test_changes_to_other_users_do_not_wait_for_changes_to_superusers(
    client: AsyncClient, session: AsyncSession, superuser_headers: dict[str, str], default_user: User, other_user: User
) -> None:
    mine = bearer(await begin(other_user))
    await session.execute(select(func.pg_advisory_xact_lock(SUPERUSERS_LOCK)))
    path = f"/users/{default_user.id}"
    for change in ({"is_active": False}, {"is_superuser": False}):
        assert (await client.patch(path, json=change, headers=superuser_headers)).status_code == 200
    assert (await client.delete(path, headers=superuser_headers)).status_code == 204
    assert (await client.delete("/users/me", headers=mine)).status_code == 204


async def test_superusers_do_not_wait_while_the_rows_of_another_are_deleted(
    client: AsyncClient, session: AsyncSession, superuser: User, default_user: User, other_user: User
) -> None:
    default_user.is_superuser = other_user.is_superuser = True
    await session.commit()
    await begin(default_user)
    headers = bearer(await begin(superuser))
    theirs = select(LoginSession.id).where(LoginSession.user_id == default_user.id)
    await session.execute(theirs.with_for_update())
    deletion = asyncio.ensure_future(client.delete(f"/users/{default_user.id}", headers=headers))
    await waiting_for_locks(1)
    change = {"is_superuser": False}
    assert (await client.patch(f"/users/{other_user.id}", json=change, headers=headers)).status_code == 200
    # The superuser who is being deleted no longer counts.
    assert (await client.patch(f"/users/{superuser.id}", json=change, headers=headers)).status_code == 409
    await session.rollback()
    assert (await deletion).status_code == 204
