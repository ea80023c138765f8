"""Roles: sets of scopes that superusers give to accounts."""

import uuid

import pytest
from httpx import AsyncClient

from app.auth.scopes import RESERVED, SCOPES
from app.features.api_keys.models import ROLE_NAME_MAX_LENGTH, UserRole
from app.features.api_keys.roles import ROLES
from app.features.api_keys.tests.helpers import by_key, create, created, status_of, token_of
from app.models import User
from app.tests.helpers import AuditLines, bearer, begin, recorded_statements


async def give(client: AsyncClient, headers: dict[str, str], user: User, *roles: str) -> int:
    response = await client.put(f"/users/{user.id}/roles", json={"roles": roles}, headers=headers)
    return response.status_code


def test_each_role_gives_scopes_that_exist_and_not_everybody_has() -> None:
    for name, scopes in ROLES.items():
        assert len(name) <= ROLE_NAME_MAX_LENGTH
        assert scopes <= RESERVED & SCOPES.keys()


async def test_a_role_holds_from_the_next_request_on_until_it_is_taken_away(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str], superuser_headers: dict[str, str]
) -> None:
    assert await status_of(client, default_user_headers, "/users") == 403
    assert await give(client, superuser_headers, default_user, "support") == 204
    assert await status_of(client, default_user_headers, "/users") == 200
    key = await created(client, default_user_headers, scopes=["users:read"])
    token = await token_of(client, key)
    everyone = (default_user_headers, by_key(key), token)
    assert [await status_of(client, headers, "/users") for headers in everyone] == [200, 200, 200]
    assert await give(client, superuser_headers, default_user) == 204
    assert [await status_of(client, headers, "/users") for headers in everyone] == [403, 403, 403]
    assert [await status_of(client, headers) for headers in everyone] == [200, 200, 200]


async def test_support_reads_accounts_and_changes_none(
    client: AsyncClient, default_user: User, other_user: User, superuser_headers: dict[str, str]
) -> None:
    await give(client, superuser_headers, default_user, "support")
    headers = bearer(await begin(default_user))
    path = f"/users/{other_user.id}"
    assert await status_of(client, headers, path) == 200
    change = {"is_superuser": True}
    assert (await client.patch(path, json=change, headers=headers)).status_code == 403
    assert (await client.delete(path, headers=headers)).status_code == 403
    assert await give(client, headers, default_user, "support") == 403
    assert await status_of(client, headers, f"{path}/roles") == 403
    assert (await create(client, headers, scopes=["users:write"])).status_code == 400


async def test_no_role_makes_a_superuser(
    client: AsyncClient, default_user: User, superuser_headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ROLES, "mighty", frozenset(SCOPES))
    await give(client, superuser_headers, default_user, "mighty")
    session = bearer(await begin(default_user))
    key = await created(client, session)
    assert "users:write" in key["scopes"]
    for headers in (session, by_key(key), await token_of(client, key)):
        assert await status_of(client, headers, "/users") == 200
        change = {"is_superuser": True}
        assert (await client.patch(f"/users/{default_user.id}", json=change, headers=headers)).status_code == 403
        assert await give(client, headers, default_user, "support") == 403


async def test_a_role_that_the_code_no_longer_knows_gives_nothing(
    client: AsyncClient,
    default_user: User,
    default_user_headers: dict[str, str],
    superuser_headers: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setitem(ROLES, "gone", frozenset({"users:read"}))
        assert await give(client, superuser_headers, default_user, "gone") == 204
        assert await status_of(client, default_user_headers, "/users") == 200
    assert await status_of(client, default_user_headers, "/users") == 403
    assert await give(client, superuser_headers, default_user, "gone") == 422


async def test_superusers_read_and_replace_roles(
    client: AsyncClient, default_user: User, other_user: User, superuser_headers: dict[str, str]
) -> None:
    async def roles(user_id: uuid.UUID) -> object:
        response = await client.get(f"/users/{user_id}/roles", headers=superuser_headers)
        return response.json().get("roles", response.status_code)

    assert await roles(default_user.id) == []
    for _ in range(2):
        assert await give(client, superuser_headers, default_user, "support", "support") == 204
        assert await roles(default_user.id) == ["support"]
    assert await roles(other_user.id) == []
    nobody = uuid.uuid4()
    assert await roles(nobody) == 404
    response = await client.put(f"/users/{nobody}/roles", json={"roles": []}, headers=superuser_headers)
    assert response.status_code == 404
    assert await give(client, superuser_headers, default_user, "Support") == 422
    assert await give(client, superuser_headers, default_user, *["support"] * 101) == 422


async def test_roles_are_logged(
    client: AsyncClient,
    default_user: User,
    superuser: User,
    superuser_headers: dict[str, str],
    audit_lines: AuditLines,
) -> None:
    ids = {"user_id": str(default_user.id), "by": str(superuser.id), "role": "support"}
    for _ in range(2):  # the second time nothing changes
        await give(client, superuser_headers, default_user, "support")
    assert audit_lines() == [{"event": "role_granted"} | ids]
    for _ in range(2):
        await give(client, superuser_headers, default_user)
    assert audit_lines() == [{"event": "role_revoked"} | ids]


async def test_roles_cost_a_query_only_where_a_reserved_scope_is_wanted(
    client: AsyncClient, default_user_headers: dict[str, str], superuser_headers: dict[str, str]
) -> None:
    for headers, path, expected in (
        (default_user_headers, "/users/me", 1),
        (default_user_headers, "/auth/sessions", 2),  # one lists them
        (default_user_headers, "/users", 2),  # the second one looks for roles
        (superuser_headers, f"/users/{uuid.uuid4()}", 2),  # the second one looks for the account
    ):
        with recorded_statements() as statements:
            await client.get(path, headers=headers)
        assert len(statements) == expected, path


async def test_roles_go_with_their_account(
    client: AsyncClient, default_user: User, superuser_headers: dict[str, str]
) -> None:
    await give(client, superuser_headers, default_user, "support")
    assert (await client.delete(f"/users/{default_user.id}", headers=superuser_headers)).status_code == 204
    assert UserRole.__table__.foreign_keys
