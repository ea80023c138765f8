"""Linked logins: added and removed by the account's owner, in a session with a recent login."""

import time

import pytest
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.features.sign_in import joining
from app.features.sign_in.settings import sign_in_settings
from app.features.sign_in.tests.helpers import (
    PAGE,
    accounts,
    begin,
    come_back,
    error_of,
    finish,
    headers_of,
    identities,
    is_logged_in,
    make_stale,
    sign_in,
    start,
)
from app.features.sign_in.tests.provider import FakeProvider
from app.models import User
from app.tests.helpers import PASSWORD, AuditLines, Json, bearer, client_at, login, try_login

NOT_RECENT = (401, "insufficient_user_authentication")


async def link(client: AsyncClient, headers: dict[str, str], company: FakeProvider) -> str:
    return await finish(client, company, await start(client, headers))


async def read(client: AsyncClient, headers: dict[str, str]) -> list[Json]:
    response = await client.get("/auth/identities", headers=headers)
    assert response.status_code == 200
    listed: list[Json] = response.json()
    return listed


async def test_an_owner_links_a_login_whatever_its_address_and_removes_it(
    client: AsyncClient,
    company: FakeProvider,
    default_user: User,
    default_user_headers: dict[str, str],
    audit_lines: AuditLines,
) -> None:
    company.person = {"sub": "42", "email": "bob@example.org", "email_verified": False}
    for _ in range(2):  # once more changes nothing
        assert await link(client, default_user_headers, company) == PAGE
    assert not is_logged_in(client)  # the session is the one that there was
    (listed,) = await read(client, default_user_headers)
    assert listed.keys() == {"id", "provider", "email", "created_at", "last_used_at"}
    assert (listed["provider"], listed["email"], listed["last_used_at"]) == ("company", "bob@example.org", None)
    assert [line["event"] for line in audit_lines()] == ["identity_linked"]

    assert await sign_in(client, company) == PAGE
    headers = await headers_of(client)
    assert (await client.get("/users/me", headers=headers)).json()["id"] == str(default_user.id)
    (listed,) = await read(client, headers)
    assert listed["last_used_at"] is not None

    audit_lines()
    for status in (204, 404):
        response = await client.delete(f"/auth/identities/{listed['id']}", headers=headers)
        assert response.status_code == status
    assert [line["event"] for line in audit_lines()] == ["identity_unlinked"]
    assert await read(client, headers) == []
    assert error_of(await sign_in(client, company)) == ""  # somebody new now
    assert len(await accounts()) == 2


async def test_linking_and_removing_want_a_recent_login(
    client: AsyncClient,
    session: AsyncSession,
    company: FakeProvider,
    default_user_headers: dict[str, str],
    audit_lines: AuditLines,
) -> None:
    await link(client, default_user_headers, company)
    (listed,) = await read(client, default_user_headers)
    started = await start(client, default_user_headers)
    await make_stale(session)
    for response in (
        await start(client, default_user_headers),
        await client.delete(f"/auth/identities/{listed['id']}", headers=default_user_headers),
        await client.post("/users/me/password", json={"new_password": PASSWORD}, headers=default_user_headers),
    ):
        assert (response.status_code, response.json()["error"]) == NOT_RECENT
    audit_lines()
    assert error_of(await finish(client, company, started)) == "insufficient_user_authentication"
    assert [line["event"] for line in audit_lines()] == ["sign_in_refused"]
    assert len(await identities()) == 1


async def test_a_session_that_ended_meanwhile_links_nothing(
    client: AsyncClient, company: FakeProvider, default_user_headers: dict[str, str]
) -> None:
    started = await start(client, default_user_headers)
    await client.post("/auth/logout-all", headers=default_user_headers)
    assert error_of(await finish(client, company, started)) == "invalid_token"
    assert await identities() == []


async def test_an_identity_logs_in_to_one_account(
    client: AsyncClient, company: FakeProvider, default_user: User, default_user_headers: dict[str, str]
) -> None:
    company.person["email"] = "bob@example.com"
    await sign_in(client_at("198.51.100.2"), company)
    assert error_of(await link(client, default_user_headers, company)) == "identity_taken"
    assert await identities() == [("42", "bob@example.com")]


async def test_nobody_is_made_to_link_a_login_of_theirs_with_somebody_elses_account(
    client: AsyncClient, company: FakeProvider, default_user_headers: dict[str, str]
) -> None:
    """The address alone is of no use in another browser, nor does a page of another site get one."""
    started = await start(client, default_user_headers)
    victim = client_at("198.51.100.1")
    answer = company.authorize(started.json()["location"])
    assert error_of((await come_back(victim, answer)).headers["Location"]) == "invalid_state"
    response = await start(client, default_user_headers, Origin="https://evil.example")
    assert response.status_code == 403
    assert await identities() == []


async def test_an_account_has_a_few_linked_logins_at_most(
    client: AsyncClient, company: FakeProvider, default_user_headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "MAX_IDENTITIES", 1)
    await link(client, default_user_headers, company)
    company.person["sub"] = "43"
    assert error_of(await link(client, default_user_headers, company)) == "too_many_identities"


async def test_the_only_way_to_log_in_stays_and_a_first_password_is_another(
    client: AsyncClient, company: FakeProvider, audit_lines: AuditLines
) -> None:
    await sign_in(client, company)
    headers = await headers_of(client)
    (listed,) = await read(client, headers)
    url = f"/auth/identities/{listed['id']}"
    response = await client.delete(url, headers=headers)
    assert (response.status_code, response.json()["detail"]) == (409, "This is the only way to log in to the account")
    company.person["sub"] = "43"
    await link(client, headers, company)
    assert (await client.delete(url, headers=headers)).status_code == 204  # the other one is left
    (listed,) = await read(client, headers)
    assert (await client.delete(f"/auth/identities/{listed['id']}", headers=headers)).status_code == 409

    assert (await client.get("/users/me/password", headers=headers)).json() == {"is_set": False}
    audit_lines()
    for status in (204, 409):
        response = await client.post("/users/me/password", json={"new_password": PASSWORD}, headers=headers)
        assert response.status_code == status
    assert [line["event"] for line in audit_lines()] == ["password_changed"]
    assert (await client.get("/users/me/password", headers=headers)).json() == {"is_set": True}
    assert (await try_login(client, "ana@example.com")).status_code == 200
    assert (await client.delete(f"/auth/identities/{listed['id']}", headers=headers)).status_code == 204


async def test_an_account_without_a_password_can_be_deleted(client: AsyncClient, company: FakeProvider) -> None:
    await sign_in(client, company)
    assert (await client.delete("/users/me", headers=await headers_of(client))).status_code == 204
    assert (await accounts(), await identities()) == ([], [])


async def test_a_first_password_is_no_common_one(client: AsyncClient, company: FakeProvider) -> None:
    await sign_in(client, company)
    headers = await headers_of(client)
    for password in ("password", "ana@example.com"):
        response = await client.post("/users/me/password", json={"new_password": password}, headers=headers)
        assert response.status_code == 422


async def reauthenticate(client: AsyncClient, headers: dict[str, str], company: FakeProvider) -> str:
    return await finish(client, company, await start(client, headers, "reauthenticate"))


async def is_recent(client: AsyncClient, headers: dict[str, str]) -> bool:
    return (await start(client, headers)).status_code == 200


async def test_signing_in_once_more_makes_a_session_recent(
    client: AsyncClient, session: AsyncSession, company: FakeProvider
) -> None:
    await sign_in(client, company)
    headers = await headers_of(client)
    await make_stale(session)
    started = await start(client, headers, "reauthenticate")
    assert "prompt=login&max_age=0" in started.json()["location"]
    assert await finish(client, company, started) == PAGE
    assert await is_recent(client, headers)


async def test_only_the_owner_who_has_just_proved_it_makes_a_session_recent(
    client: AsyncClient, session: AsyncSession, company: FakeProvider
) -> None:
    await sign_in(client, company)
    headers = await headers_of(client)
    await make_stale(session)
    long_ago, tomorrow = int(time.time()) - 3600, int(time.time()) + 86_400
    for auth_time in (long_ago, tomorrow, None, True, str(tomorrow)):
        company.claims = {"auth_time": auth_time}
        assert error_of(await reauthenticate(client, headers, company)) == "login_required"
    company.claims, company.person = {}, {"sub": "43", "email": "bob@example.com"}
    for _ in range(2):  # nobody's, and then somebody else's
        assert error_of(await reauthenticate(client, headers, company)) == "identity_taken"
        assert await sign_in(client_at("198.51.100.2"), company) == PAGE
    assert not await is_recent(client, headers)


async def test_a_login_whose_identity_is_removed_meanwhile_begins_no_session(
    client: AsyncClient, company: FakeProvider, default_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = bearer(await login(client, default_user))
    await link(client, headers, company)
    (listed,) = await read(client, headers)
    answer = company.authorize(await begin(client))
    original = joining._use

    async def remove_then_use(*arguments: object) -> bool:
        response = await client_at("198.51.100.1").delete(f"/auth/identities/{listed['id']}", headers=headers)
        assert response.status_code == 204
        return await original(*arguments)  # type: ignore[arg-type]

    async def use_then_remove(*arguments: object) -> bool:
        used = await original(*arguments)  # type: ignore[arg-type]
        response = await client_at("198.51.100.1").delete(f"/auth/identities/{listed['id']}", headers=headers)
        assert response.status_code == 204
        return used

    monkeypatch.setattr(joining, "_use", use_then_remove)
    assert error_of((await come_back(client, answer)).headers["Location"]) == "account_unavailable"
    assert not is_logged_in(client)
    monkeypatch.setattr(joining, "_use", original)
    await link(client, headers, company)
    (listed,) = await read(client, headers)
    monkeypatch.setattr(joining, "_use", remove_then_use)
    # It is a new one then, with the address of an account that isn't verified.
    assert error_of(await sign_in(client, company)) == "account_exists"


async def test_a_provider_that_left_the_settings_logs_nobody_in(
    client: AsyncClient, company: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_in(client, company)
    headers = await headers_of(client)
    monkeypatch.delitem(sign_in_settings.sign_in, "company")
    assert (await client.get("/auth/providers/company/login")).status_code == 404
    assert [identity["provider"] for identity in await read(client, headers)] == ["company"]
