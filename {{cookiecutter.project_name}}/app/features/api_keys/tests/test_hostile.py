"""What somebody tries who has a stolen database, a typo, a wrong key, or a key and wants more."""

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable

import pytest
from httpx import AsyncClient
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.errors import LOG_IN_AGAIN
from app.auth.caller import SuperuserRule, superuser_rules
from app.auth.credentials import take_away_credentials
from app.core.config import settings
from app.features.api_keys import uses, wrong_keys
from app.features.api_keys.keys import PREFIX
from app.features.api_keys.models import ApiKey
from app.features.api_keys.tests.helpers import by_key, create, created, forged, key_of, status_of, token_of
from app.main import app
from app.models import LoginSession, User
from app.tests.helpers import PASSWORD, AuditLines, Json, bearer, begin, client_at, recorded_statements


@pytest.fixture
async def key(client: AsyncClient, default_user: User) -> Json:
    return await key_of(client, default_user)


async def test_a_leaked_database_lets_nobody_in(client: AsyncClient, session: AsyncSession, key: Json) -> None:
    row = (await session.execute(select(*ApiKey.__table__.columns))).one()
    assert key["key"].split("_")[2] not in repr(row)
    stored = row.secret_hash.hex()
    for secret in (stored[:40], stored[24:], row.session_id.hex + "0" * 8, row.id.hex + "0" * 8):
        assert await status_of(client, forged(row.id, secret)) == 401


async def test_a_typo_is_refused_without_a_query(client: AsyncClient, key: Json) -> None:
    text = key["key"]
    typos = [text[:place] + ("1" if text[place] != "1" else "2") + text[place + 1 :] for place in range(len(text))]
    typos = [typo for typo in typos if typo.count("_") == 3]
    with recorded_statements() as statements:
        for typo in (*typos, text[:-1], text + "0", text.upper(), f"{PREFIX}_", f"{PREFIX}___", text.replace("_", "-")):
            assert await status_of(client, {"Authorization": f"Bearer {typo}"}) == 401, typo
    assert statements == []


@pytest.mark.parametrize("text", [f"api_{'٣' * 32}_{'é' * 40}_{'0' * 8}", "a" * 60_000, "_" * 5_000, "a_" * 5_000])
async def test_a_hostile_bearer_is_refused_without_a_query(client: AsyncClient, text: str) -> None:
    with recorded_statements() as statements:
        response = await client.get("/users/me", headers=[(b"Authorization", f"Bearer {text}".encode())])
    assert response.status_code == 401
    assert statements == []


async def test_a_wrong_key_costs_the_same_whatever_is_wrong_with_it(
    client: AsyncClient, session: AsyncSession, default_user: User, other_user: User
) -> None:
    good, expired = await key_of(client, default_user), await key_of(client, default_user)
    inactive = await key_of(client, other_user)
    await session.execute(update(ApiKey).where(ApiKey.id == expired["id"]).values(expires_at=ApiKey.created_at))
    await session.execute(update(User).where(User.id == other_user.id).values(is_active=False))
    await session.commit()
    found = set()
    for headers in (forged(), forged(uuid.UUID(good["id"])), by_key(expired), by_key(inactive)):
        with recorded_statements() as statements:
            response = await client.get("/users/me", headers=headers)
        found.add((response.status_code, response.text, response.headers["WWW-Authenticate"], len(statements)))
    assert found == {(401, '{"detail":"Invalid access token"}', 'Bearer error="invalid_token"', 1)}


async def test_too_many_wrong_keys_of_a_network_cost_no_query_each(
    client: AsyncClient, key: Json, default_user: User, audit_lines: AuditLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(wrong_keys, "clock", lambda: now)
    assert await status_of(client, by_key(key)) == 200
    fresh = await key_of(client, default_user)
    audit_lines()
    await uses.finish_notes()
    with recorded_statements() as statements:
        statuses = [await status_of(client, forged(uuid.UUID(key["id"]))) for _ in range(30)]
    assert statuses == [401] * 20 + [429] * 10
    assert len(statements) == 20
    assert len(audit_lines()) == 20
    response = await client.get("/users/me", headers=by_key(fresh))
    assert (response.status_code, response.headers["Retry-After"]) == (429, "30")
    assert await status_of(client, by_key(key)) == 200, "it was right lately"
    assert await status_of(client_at("203.0.113.7"), by_key(fresh)) == 200
    now += 30
    assert [await status_of(client, forged()) for _ in range(2)] == [401, 429]


async def test_wrong_keys_of_an_ipv6_site_are_limited_together(client: AsyncClient) -> None:
    networks = [client_at(f"2001:db8:1:{number}::1") for number in range(5)]
    statuses = [await status_of(network, forged()) for network in networks for _ in range(20)]
    assert statuses == [401] * 80 + [429] * 20
    assert await status_of(client_at("2001:db8:2::1"), forged()) == 401


async def test_a_key_that_ends_is_wrong_although_it_was_right_before(
    client: AsyncClient, session: AsyncSession, key: Json
) -> None:
    assert await status_of(client, by_key(key)) == 200
    await session.execute(update(ApiKey).values(expires_at=ApiKey.created_at))
    await session.commit()
    await uses.finish_notes()
    with recorded_statements() as statements:
        statuses = [await status_of(client, by_key(key)) for _ in range(30)]
    assert statuses == [401] * 20 + [429] * 10
    assert len(statements) == 20


@pytest.mark.parametrize("means", ["key", "token"])
async def test_what_wants_a_recent_session_is_not_for_keys(client: AsyncClient, superuser: User, means: str) -> None:
    key = await key_of(client, superuser)
    headers = by_key(key) if means == "key" else await token_of(client, key)
    found = [
        (method.upper(), path.removeprefix(settings.api_prefix))
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
        if LOG_IN_AGAIN in operation["responses"].get("401", {}).get("description", "") and method != "get"
    ]
    assert {("POST", "/auth/api-keys"), ("DELETE", "/users/me"), ("POST", "/users/reset-password")} <= set(found)
    for method, path in found:
        url = re.sub(r"{\w+}", str(superuser.id), path)
        response = await client.request(method, url, json={}, headers=headers)
        assert response.status_code == 401, (method, path, response.text)
        assert response.json()["error"] == "insufficient_user_authentication", path
    for password in (PASSWORD, "wrong"):
        response = await client.post("/auth/reauthenticate", json={"password": password}, headers=headers)
        assert response.status_code == 401, "a key is no way to try passwords"
    assert await status_of(client, bearer(await begin(superuser))) == 200, "nothing happened to the account"


async def test_a_key_without_the_scope_of_the_account_sees_nothing_of_how_its_owner_logs_in(
    client: AsyncClient, default_user: User
) -> None:
    headers = by_key(await key_of(client, default_user, scopes=["pets:read"]))
    found = [
        path.removeprefix(settings.api_prefix)
        for path, operations in app.openapi()["paths"].items()
        if "get" in operations and operations["get"]["security"]
    ]
    found = [path for path in found if path.startswith(("/auth/", "/users/me/"))]
    assert {"/auth/sessions", "/auth/api-keys"} <= set(found)
    for path in found:
        response = await client.get(path, headers=headers)
        assert response.status_code == 403, path
        assert response.json()["error"] == "insufficient_scope", path


async def test_who_may_end_logins_ends_them_and_no_key(client: AsyncClient, default_user: User) -> None:
    key = await key_of(client, default_user, scopes=["account", "toys:read"])
    logged_in = bearer(await begin(default_user))
    without_scope = await token_of(client, key, scope="toys:read")
    assert (await client.post("/auth/logout-all", headers=without_scope)).status_code == 403
    assert await status_of(client, logged_in) == 200
    token = await token_of(client, key)
    assert (await client.post("/auth/logout-all", headers=token)).status_code == 204
    assert [await status_of(client, headers) for headers in (logged_in, token, by_key(key))] == [401, 200, 200]


async def test_a_key_that_is_deleted_while_it_is_used_ends_one_time(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str], key: Json, audit_lines: AuditLines
) -> None:
    def uses_of_key() -> list[Awaitable[int]]:
        return [status_of(client, by_key(key)) for _ in range(9)]

    async def deleted() -> int:
        return (await client.delete(f"/auth/api-keys/{key['id']}", headers=default_user_headers)).status_code

    audit_lines()
    found = await asyncio.gather(*uses_of_key(), deleted(), deleted(), *uses_of_key())
    assert {*found[:9], *found[11:]} <= {200, 401}
    assert sorted(found[9:11]) == [204, 404]
    assert await status_of(client, by_key(key)) == 401
    assert len([line for line in audit_lines() if line["event"] == "api_key_deleted"]) == 1


async def test_making_a_key_wants_a_recent_session(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    headers = bearer(await begin(default_user))
    await session.execute(update(LoginSession).values(authenticated_at=None))
    await session.commit()
    response = await create(client, headers)
    assert (response.status_code, response.json()["error"]) == (401, "insufficient_user_authentication")


@pytest.mark.parametrize(
    "send",
    [
        lambda key: {"params": {"access_token": key}},
        lambda key: {"params": {"api_key": key, "key": key}},
        lambda key: {"headers": {"Cookie": f"access_token={key}; key={key}"}},
        lambda key: {"headers": {"X-API-Key": key}},
        lambda key: {"headers": {"Authorization": f"Basic {key}"}},
        lambda key: {"headers": {"Authorization": f"Token {key}"}},
        lambda key: {"headers": {"Authorization": key}},
    ],
)
async def test_a_key_goes_into_one_header_and_nowhere_else(
    client: AsyncClient, key: Json, send: Callable[[str], Json]
) -> None:
    response = await client.get("/users/me", **send(key["key"]))
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_a_key_is_no_refresh_token(client: AsyncClient, key: Json) -> None:
    for path in ("/auth/refresh-token", "/auth/logout"):
        await client.post(path, json={"refresh_token": key["key"]})
    assert await status_of(client, by_key(key)) == 200


async def test_whoever_finds_a_key_can_end_it(
    client: AsyncClient, default_user: User, key: Json, audit_lines: AuditLines
) -> None:
    for wrong in (forged(uuid.UUID(key["id"])), forged()):
        token = wrong["Authorization"].removeprefix("Bearer ")
        assert (await client.post("/auth/revoke", data={"token": token})).status_code == 200
    assert await status_of(client, by_key(key)) == 200
    audit_lines()
    assert (await client.post("/auth/revoke", data={"token": key["key"]})).status_code == 200
    ids = {"user_id": str(default_user.id), "key_id": key["id"]}
    assert audit_lines() == [{"event": "api_key_deleted"} | ids]
    assert await status_of(client, by_key(key)) == 401
    statuses = [(await client.post("/auth/revoke", data={"token": key["key"]})).status_code for _ in range(20)]
    assert statuses == [200] * 17 + [503] * 3, "a key that wasn't looked for may still work"


async def test_who_takes_all_credentials_away_takes_the_keys(
    client: AsyncClient, session: AsyncSession, default_user: User, key: Json
) -> None:
    """So does the first proof of an address, or somebody could register with another's and keep a key."""
    token = await token_of(client, key)
    assert ApiKey in await take_away_credentials(session, default_user.id)
    await session.commit()
    for headers in (by_key(key), token):
        assert await status_of(client, headers) == 401


async def test_no_key_is_made_in_a_session_that_ends_meanwhile(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    headers = bearer(await begin(default_user))
    responses = await asyncio.gather(
        create(client, headers), client.post("/auth/logout-all", headers=headers), create(client, headers)
    )
    assert {response.status_code for response in responses} <= {201, 204, 401}
    assert (await create(client, headers)).status_code == 401


async def test_a_key_is_as_strong_as_the_login_that_made_it(
    client: AsyncClient, session: AsyncSession, superuser: User
) -> None:
    """Otherwise a key of a session by password would go around what superusers have to log in with."""
    weak, strong = bearer(await begin(superuser)), bearer(await begin(superuser))
    weak_key = await created(client, weak)
    await session.execute(update(LoginSession).values(login_method="smart card"))
    await session.commit()
    strong_key = await created(client, strong)
    rule = SuperuserRule(lambda caller: caller.login_method == "smart card", lambda: None)
    superuser_rules.append(rule)
    try:
        for key, status in ((weak_key, 403), (strong_key, 200)):
            for headers in (by_key(key), await token_of(client, key)):
                assert await status_of(client, headers, "/users") == status
                assert await status_of(client, headers) == 200
    finally:
        superuser_rules.remove(rule)
