"""API keys: made once, listed, used, deleted."""

import asyncio
import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from httpx import AsyncClient
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import PROJECT, settings
from app.features.api_keys import uses
from app.features.api_keys.models import ApiKey
from app.features.api_keys.routes import MAX_KEYS
from app.features.api_keys.tests.helpers import by_key, create, created, key_of, status_of, token_of
from app.models import User
from app.tests.helpers import AuditLines, bearer, begin, client_at, is_logged_in, recorded_statements


async def listed(client: AsyncClient, headers: dict[str, str]) -> list[dict[str, object]]:
    response = await client.get("/auth/api-keys", headers=headers)
    assert response.status_code == 200, response.text
    keys: list[dict[str, object]] = response.json()
    return keys


async def test_a_key_is_shown_once_and_is_its_owner(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str]
) -> None:
    key = await created(client, default_user_headers, name="CI", scopes=["account"], expires_in_days=90)
    assert key.keys() == {"id", "name", "key", "scopes", "expires_at"}
    assert (key["name"], key["scopes"]) == ("CI", ["account"])
    assert abs(datetime.fromisoformat(key["expires_at"]) - datetime.now(UTC) - timedelta(days=90)) < timedelta(hours=1)
    me = await client.get("/users/me", headers=by_key(key))
    assert (me.status_code, me.json()) == (200, {"id": str(default_user.id), "email": default_user.email})

    (shown,) = await listed(client, default_user_headers)
    assert shown.keys() == {"id", "name", "start", "scopes", "created_at", "last_used_at", "expires_at"}
    assert (shown["id"], shown["name"], shown["scopes"]) == (key["id"], "CI", ["account"])
    assert key["key"].startswith(shown["start"])
    assert len(str(shown["start"])) < len(key["key"]) / 2


async def test_scanners_recognise_a_key(client: AsyncClient, default_user_headers: dict[str, str]) -> None:
    key = await created(client, default_user_headers)
    project = re.sub(r"[^a-z0-9]", "", PROJECT["name"].lower())
    assert re.fullmatch(rf"{project}_[0-9a-f]{{32}}_[0-9a-f]{{40}}_[0-9a-f]{{8}}", key["key"])
    assert uuid.UUID(key["id"]).hex in key["key"]


async def test_without_scopes_a_key_has_those_of_its_owner_and_does_not_expire(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    key = await created(client, default_user_headers)
    assert "account" in key["scopes"]
    assert not [scope for scope in key["scopes"] if scope.startswith("users:")]
    assert key["expires_at"] is None


@pytest.mark.parametrize("scopes", [["users:read"], ["account", "users:write"], ["nonsense"], ["ACCOUNT"], [""]])
async def test_nobody_gives_a_key_more_than_they_have(
    client: AsyncClient, default_user_headers: dict[str, str], scopes: list[str]
) -> None:
    response = await create(client, default_user_headers, scopes=scopes)
    assert response.status_code == (422 if scopes == [""] else 400)
    assert await listed(client, default_user_headers) == []


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "x" * 51},
        {"name": "a\0b"},
        {"name": None},
        {"expires_in_days": 0},
        {"expires_in_days": 10**9},
        {"scopes": ["account"] * 101},
        {"scopes": "account"},
        {"scopes": ["a\0"]},
        {"user_id": "0d5c1c9e-6f0b-4c55-9a3b-52c1f7a7e3d4"},
    ],
    ids=lambda body: next(iter(body)),
)
async def test_what_makes_no_sense_is_refused(
    client: AsyncClient, default_user_headers: dict[str, str], body: dict[str, object]
) -> None:
    assert (await create(client, default_user_headers, **body)).status_code == 422


async def test_the_scopes_that_a_key_may_get_are_listed(
    client: AsyncClient, default_user_headers: dict[str, str], superuser_headers: dict[str, str]
) -> None:
    for headers, has in ((default_user_headers, False), (superuser_headers, True)):
        scopes = (await client.get("/auth/api-keys/scopes", headers=headers)).json()
        names = [scope["name"] for scope in scopes]
        assert ("users:read" in names) is has
        assert {"name": "toys:read", "description": "A scope of the tests"} in scopes
        assert (await created(client, headers, scopes=names))["scopes"] == names
    key = await created(client, superuser_headers, scopes=["account"])
    assert [scope["name"] for scope in (await client.get("/auth/api-keys/scopes", headers=by_key(key))).json()] == [
        "account"
    ]


async def test_a_key_with_no_scopes_opens_only_what_wants_none(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    key = await created(client, default_user_headers, scopes=[])
    assert await status_of(client, by_key(key)) == 200
    response = await client.get("/auth/sessions", headers=by_key(key))
    assert (response.status_code, response.json()["error"]) == (403, "insufficient_scope")
    assert response.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="account"'


async def test_a_superusers_key_has_a_superusers_rights_if_it_may(
    client: AsyncClient, superuser: User, other_user: User
) -> None:
    everything = await key_of(client, superuser)
    assert {"users:read", "users:write"} <= set(everything["scopes"])
    reading = await key_of(client, superuser, scopes=["users:read"])
    change, path = {"is_active": True}, f"/users/{other_user.id}"
    assert (await client.patch(path, json=change, headers=by_key(everything))).status_code == 200
    assert await status_of(client, by_key(reading), path) == 200
    refused = await client.patch(path, json=change, headers=by_key(reading))
    assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")


async def test_a_key_loses_what_its_owner_loses(client: AsyncClient, session: AsyncSession, superuser: User) -> None:
    key = await key_of(client, superuser)
    token = await token_of(client, key)
    for headers in (by_key(key), token):
        assert await status_of(client, headers, "/users") == 200
    await session.execute(update(User).values(is_superuser=False))
    await session.commit()
    for headers in (by_key(key), token):
        assert await status_of(client, headers, "/users") == 403
        assert await status_of(client, headers) == 200


async def test_a_deleted_key_is_out_at_once_with_its_tokens(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str], other_user: User
) -> None:
    key, other = await created(client, default_user_headers), await created(client, default_user_headers)
    token = await token_of(client, key)
    stranger = bearer(await begin(other_user))
    assert (await client.delete(f"/auth/api-keys/{key['id']}", headers=stranger)).status_code == 404
    assert await status_of(client, by_key(key)) == 200
    assert (await client.delete(f"/auth/api-keys/{key['id']}", headers=default_user_headers)).status_code == 204
    assert (await client.delete(f"/auth/api-keys/{key['id']}", headers=default_user_headers)).status_code == 404
    for headers in (by_key(key), token):
        response = await client.get("/users/me", headers=headers)
        assert (response.status_code, response.json()) == (401, {"detail": "Invalid access token"})
        assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert await status_of(client, by_key(other)) == 200


@pytest.mark.parametrize("change", [{"is_active": False}, {"expires_at": func.now()}], ids=["inactive", "expired"])
async def test_an_expired_key_and_a_deactivated_owners_are_out_at_once(
    client: AsyncClient, session: AsyncSession, default_user: User, change: dict[str, object]
) -> None:
    key = await key_of(client, default_user)
    token = await token_of(client, key)
    await session.execute(update(User if "is_active" in change else ApiKey).values(**change))
    await session.commit()
    for headers in (by_key(key), token):
        assert await status_of(client, headers) == 401


async def test_keys_go_with_their_owner(client: AsyncClient, session: AsyncSession, default_user: User) -> None:
    key = await key_of(client, default_user)
    headers = bearer(await begin(default_user))
    assert (await client.delete("/users/me", headers=headers)).status_code == 204
    assert await status_of(client, by_key(key)) == 401
    assert await session.scalar(select(func.count()).select_from(ApiKey)) == 0


async def test_a_logout_and_a_new_password_leave_keys_alone(client: AsyncClient, default_user: User) -> None:
    headers = bearer(await begin(default_user))
    key = await created(client, headers)
    assert (await client.post("/auth/logout-all", headers=headers)).status_code == 204
    assert await status_of(client, headers) == 401
    assert await status_of(client, by_key(key)) == 200


async def test_an_account_has_fifty_keys_at_most_also_if_they_are_made_at_once(
    client: AsyncClient, session: AsyncSession, default_user: User, default_user_headers: dict[str, str]
) -> None:
    session.add_all(
        ApiKey(uuid.uuid4(), default_user.id, "old", bytes(32), [], "password") for _ in range(MAX_KEYS - 1)
    )
    await session.commit()
    responses = await asyncio.gather(*(create(client, default_user_headers) for _ in range(5)))
    assert sorted(response.status_code for response in responses) == [201, 409, 409, 409, 409]
    assert len(await listed(client, default_user_headers)) == MAX_KEYS == 50
    await session.execute(update(ApiKey).values(expires_at=func.now()))
    await session.commit()
    await created(client, default_user_headers)
    assert len(await listed(client, default_user_headers)) == 1, "expired ones make room"


async def test_fifty_parallel_uses_all_succeed_and_write_one_time(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str]
) -> None:
    key = await created(client, default_user_headers)
    with recorded_statements() as statements:
        used = await asyncio.gather(*(status_of(client, by_key(key)) for _ in range(50)))
        await uses.finish_notes()
    assert used == [200] * 50
    # Each connection but one may have found the key unused just before the first write.
    assert len([each for each in statements if each.startswith("UPDATE")]) <= settings.database_pool_size
    (shown,) = await listed(client, default_user_headers)
    assert shown["last_used_at"] is not None


async def test_the_last_use_is_written_once_a_minute(
    client: AsyncClient, session: AsyncSession, default_user_headers: dict[str, str]
) -> None:
    key = await created(client, default_user_headers)

    async def writes() -> int:
        with recorded_statements() as statements:
            assert await status_of(client, by_key(key)) == 200
            await uses.finish_notes()
        return len(statements) - 1  # one finds the caller

    assert [await writes() for _ in range(3)] == [1, 0, 0]
    await session.execute(update(ApiKey).values(last_used_at=func.now() - timedelta(seconds=61)))
    await session.commit()
    assert [await writes() for _ in range(2)] == [1, 0]


async def test_a_request_does_not_wait_for_its_use_to_be_written(
    client: AsyncClient, session: AsyncSession, default_user_headers: dict[str, str]
) -> None:
    key = await created(client, default_user_headers)
    await session.execute(select(ApiKey).with_for_update())  # nobody can write to it
    assert await status_of(client, by_key(key)) == 200
    await session.rollback()


async def test_keys_are_logged(client: AsyncClient, default_user: User, audit_lines: AuditLines) -> None:
    headers = bearer(await begin(default_user))
    key = await created(client, headers)
    ids = {"user_id": str(default_user.id), "key_id": key["id"]}
    assert audit_lines() == [{"event": "api_key_created"} | ids]
    await client.delete(f"/auth/api-keys/{key['id']}", headers=headers)
    assert audit_lines() == [{"event": "api_key_deleted"} | ids]
    await client.get("/users/me", headers=by_key(key))
    assert audit_lines() == [{"event": "api_key_refused"}]


async def test_a_key_works_from_anywhere_and_begins_no_session(client: AsyncClient, default_user: User) -> None:
    tokens = await begin(default_user)
    key = await created(client, bearer(tokens))
    assert await status_of(client_at("2001:db8::7"), by_key(key)) == 200
    sessions = (await client.get("/auth/sessions", headers=by_key(key))).json()
    assert [each["current"] for each in sessions] == [False]
    assert await is_logged_in(client, tokens)
