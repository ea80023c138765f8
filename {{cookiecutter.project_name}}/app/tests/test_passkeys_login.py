"""Logging in with a passkey."""

import asyncio
import time
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from unittest.mock import ANY

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from httpx import AsyncClient
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.errors import PASSKEY_REQUIRED
from app.auth.passkeys import CHALLENGE_LIFETIME
from app.models import KnownClient, LoginSession, Passkey, RateLimit, SpentChallenge, User
from app.tests.authenticator import (
    ORIGIN,
    PRESENT,
    VERIFIED,
    Authenticator,
    base64url,
    decoded,
    login_options,
    options_for,
    read,
    register,
    send,
    use,
)
from app.tests.helpers import PASSWORD, Json, bearer, begin, is_logged_in, login, tokens_in
from app.tests.other_settings import other_settings
from app.tests.test_second_factor import set_up

INVALID = (400, {"detail": "Invalid passkey", "error": "invalid_grant"})
REFUSED = "passkey_refused"
WRONG: dict[str, Json] = {  # attributes of the authenticator
    "another site": {"client_data": {"origin": "https://evil.example"}},
    "another site that begins alike": {"client_data": {"origin": "http://localhost.evil.example"}},
    "another site after an @": {"client_data": {"origin": "http://localhost@evil.example"}},
    "a URL": {"client_data": {"origin": f"{ORIGIN}/"}},
    "a sandboxed frame": {"client_data": {"origin": "null"}},
    "no site": {"client_data": {"origin": None}},
    "another site's frame": {"client_data": {"origin": ORIGIN, "crossOrigin": True}},
    "a registration": {"client_data": {"origin": ORIGIN, "type": "webauthn.create"}},
    "another RP ID": {"rp_id": "evil.example"},
    "no user verification": {"flags": PRESENT},
    "nobody present": {"flags": VERIFIED},
    "another key": {"key": ec.generate_private_key(ec.SECP256R1())},
    "another user": {"user": bytes(16)},
    "no user": {"user": b""},
}


@pytest.fixture
async def passkey(client: AsyncClient, default_user_headers: dict[str, str]) -> Authenticator:
    """One of the default user's."""
    passkey = Authenticator()
    await register(client, default_user_headers, passkey)
    return passkey


def audited(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str | None]]:
    """The events since the last call, each with its user."""
    events = [(r.message, getattr(r, "user_id", None)) for r in caplog.records if r.name == "app.audit"]
    caplog.clear()
    return events


async def test_a_passkey_logs_in_without_a_name(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str], passkey: Authenticator
) -> None:
    options = await login_options(client)
    assert options == {
        "challenge": ANY,
        "timeout": 300_000,
        "rpId": "localhost",
        "allowCredentials": [],
        "userVerification": "required",
    }
    (before,) = await read(client, default_user_headers)
    assert before["last_used_at"] is None
    begun = datetime.now(UTC)
    response = await client.post("/auth/passkeys/login", json=passkey.get(options))
    assert response.headers["Cache-Control"] == "no-store"
    headers = bearer(tokens_in(response))
    assert (await client.get("/users/me", headers=headers)).json()["id"] == str(default_user.id)
    (after,) = await read(client, headers)
    assert begun <= datetime.fromisoformat(after["last_used_at"]) <= datetime.now(UTC)
    sessions = (await client.get("/auth/sessions", headers=headers)).json()
    assert {session["login_method"]: session["current"] for session in sessions} == {"passkey": True, "password": False}


async def test_each_of_several_passkeys_logs_in_until_it_is_removed(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str], passkey: Authenticator
) -> None:
    other = Authenticator()
    removed = (await register(client, default_user_headers, other))["id"]
    for each in (passkey, other):
        assert await is_logged_in(client, tokens_in(await use(client, each)))
    assert (await client.delete(f"/auth/passkeys/{removed}", headers=default_user_headers)).status_code == 204
    response = await use(client, other)
    assert (response.status_code, response.json()) == INVALID
    assert (await use(client, passkey)).status_code == 200


@pytest.mark.usefixtures("one_moment")
async def test_no_code_is_asked_for(
    client: AsyncClient, default_user_headers: dict[str, str], passkey: Authenticator
) -> None:
    await set_up(client, default_user_headers)
    assert (await use(client, passkey)).status_code == 200


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_an_assertion_that_is_wrong_in_one_thing_is_refused(
    client: AsyncClient, default_user: User, passkey: Authenticator, caplog: pytest.LogCaptureFixture, wrong: Json
) -> None:
    assert (await use(client, passkey)).status_code == 200
    right = vars(passkey) | {}
    caplog.clear()
    vars(passkey).update(wrong)
    response = await use(client, passkey)
    assert (response.status_code, response.json()) == INVALID
    assert audited(caplog) == [(REFUSED, str(default_user.id))]
    vars(passkey).update(right | {"count": passkey.count})
    assert (await use(client, passkey)).status_code == 200


async def test_a_passkey_that_nobody_knows_is_refused(
    client: AsyncClient, passkey: Authenticator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    passkey.id = b"another"
    response = await use(client, passkey)
    assert (response.status_code, response.json()) == INVALID
    assert audited(caplog) == []


@pytest.mark.parametrize("kind", ["of a registration", "forged", "of another server", "empty", "too short"])
async def test_only_a_challenge_for_a_login_will_do(
    client: AsyncClient, default_user_headers: dict[str, str], passkey: Authenticator, kind: str
) -> None:
    options = await login_options(client)
    raw = decoded(options["challenge"])
    if kind == "of a registration":
        options = await options_for(client, default_user_headers)
    elif kind == "of another server":
        with other_settings(SECRET_KEY="another key of more than thirty-two characters"):
            options = await login_options(client)
    else:
        later = raw[:19] + bytes([raw[19] ^ 1]) + raw[20:]
        options["challenge"] = base64url({"forged": later, "empty": b"", "too short": raw[:20]}[kind])
    response = await client.post("/auth/passkeys/login", json=passkey.get(options))
    assert (response.status_code, response.json()) == INVALID


@pytest.mark.usefixtures("one_moment")
async def test_a_challenge_expires_after_five_minutes(
    client: AsyncClient, passkey: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, early, moment = await login_options(client), await login_options(client), time.time()
    monkeypatch.setattr(time, "time", lambda: moment + 300)
    response = await client.post("/auth/passkeys/login", json=passkey.get(late))
    assert (response.status_code, response.json()) == INVALID
    monkeypatch.setattr(time, "time", lambda: moment + 298)
    assert (await client.post("/auth/passkeys/login", json=passkey.get(early))).status_code == 200


async def test_an_assertion_works_once(
    client: AsyncClient, session: AsyncSession, default_user: User, passkey: Authenticator
) -> None:
    passkey.step = 0  # so that the counter doesn't tell
    assertion = passkey.get(await login_options(client))
    responses = await asyncio.gather(*(client.post("/auth/passkeys/login", json=assertion) for _ in range(50)))
    assert Counter(response.status_code for response in responses) == {200: 1, 400: 49}
    is_passkey = LoginSession.login_method == "passkey"
    assert await session.scalar(select(func.count()).where(is_passkey)) == 1
    response = await client.post("/auth/passkeys/login", json=assertion)
    assert (response.status_code, response.json()) == INVALID


async def test_a_challenge_works_once_for_all_passkeys(
    client: AsyncClient, other_user: User, passkey: Authenticator
) -> None:
    other, options = Authenticator(), await login_options(client)
    await register(client, bearer(await begin(other_user)), other)
    assert (await client.post("/auth/passkeys/login", json=passkey.get(options))).status_code == 200
    assert (await client.post("/auth/passkeys/login", json=other.get(options))).status_code == 400


async def test_spent_challenges_are_known_for_longer_than_they_are_good(
    client: AsyncClient, session: AsyncSession, passkey: Authenticator
) -> None:
    await use(client, passkey)
    await session.execute(update(SpentChallenge).values(expires_at=func.now() - timedelta(seconds=1)))
    await session.commit()
    await use(client, passkey)
    (row,) = await session.scalars(select(SpentChallenge))  # the others were cleaned up
    assert row.expires_at > datetime.now(UTC) + CHALLENGE_LIFETIME * 1.5


@pytest.mark.parametrize("count", [1, 6, 7, 0])
async def test_a_counter_that_does_not_go_on_is_refused(
    client: AsyncClient, default_user: User, passkey: Authenticator, caplog: pytest.LogCaptureFixture, count: int
) -> None:
    passkey.count = 6
    assert (await use(client, passkey)).status_code == 200
    caplog.clear()
    passkey.count, passkey.step = count, 0
    response = await use(client, passkey)
    assert (response.status_code, response.json()) == INVALID
    assert audited(caplog) == [(REFUSED, str(default_user.id))]
    passkey.count = 8
    assert (await use(client, passkey)).status_code == 200


async def test_of_a_passkey_and_its_clone_one_logs_in_at_a_time(client: AsyncClient, passkey: Authenticator) -> None:
    passkey.step, passkey.count = 0, 1
    assertions = [passkey.get(await login_options(client)) for _ in range(20)]
    responses = await asyncio.gather(*(client.post("/auth/passkeys/login", json=each) for each in assertions))
    assert Counter(response.status_code for response in responses) == {200: 1, 400: 19}


async def test_synced_passkeys_do_not_count(client: AsyncClient, passkey: Authenticator) -> None:
    passkey.step = 0
    for _ in range(3):
        assert (await use(client, passkey)).status_code == 200


async def test_the_largest_counter_is_stored(
    client: AsyncClient, session: AsyncSession, passkey: Authenticator
) -> None:
    passkey.count = 2**32 - 2
    assert (await use(client, passkey)).status_code == 200
    assert await session.scalar(select(Passkey.sign_count)) == 2**32 - 1


async def test_the_passkey_of_a_closed_account_is_refused(
    client: AsyncClient,
    session: AsyncSession,
    default_user: User,
    passkey: Authenticator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    user_id = str(default_user.id)
    for close, events in ((update(User).values(is_active=False), [(REFUSED, user_id)]), (delete(User), [])):
        await session.execute(close)
        await session.commit()
        caplog.clear()
        response = await use(client, passkey)
        assert (response.status_code, response.json()) == INVALID
        assert audited(caplog) == events


@pytest.mark.parametrize("registration", ["open", "discreet"])
async def test_an_address_that_has_to_be_verified_comes_first(
    client: AsyncClient, passkey: Authenticator, registration: str
) -> None:
    with other_settings(EMAIL_VERIFICATION="required", REGISTRATION=registration):
        response = await use(client, passkey)
    assert (response.status_code, response.json()["error"]) == (403, "email_not_verified")


async def test_a_passkey_gives_superusers_their_rights(client: AsyncClient, superuser_headers: dict[str, str]) -> None:
    passkey = Authenticator()
    await register(client, superuser_headers, passkey)
    with other_settings(SUPERUSER_SECOND_FACTOR="required"):
        assert (await client.get("/users", headers=superuser_headers)).status_code == 403
        tokens = tokens_in(await use(client, passkey))
        assert (await client.get("/users", headers=bearer(tokens))).status_code == 200


@pytest.mark.parametrize(
    "call",
    [
        ("POST", "/auth/totp", {"current_password": PASSWORD}),
        ("POST", "/auth/totp/confirm", {"code": "000000"}),
        ("POST", "/auth/passkeys/options", {"current_password": PASSWORD}),
        ("DELETE", f"/auth/passkeys/{uuid.UUID(int=0)}", {"current_password": PASSWORD}),
    ],
)
async def test_a_stolen_password_is_no_way_to_a_superusers_second_factor(
    client: AsyncClient,
    superuser: User,
    superuser_headers: dict[str, str],
    default_user_headers: dict[str, str],
    call: tuple[str, str, Json],
) -> None:
    passkey, (method, path, body) = Authenticator(), call
    for headers in (default_user_headers, superuser_headers):
        await register(client, headers, passkey if headers is superuser_headers else Authenticator())
    stolen = bearer(await login(client, superuser))
    refused = (403, {"detail": PASSKEY_REQUIRED})
    with other_settings(SUPERUSER_SECOND_FACTOR="required"):
        own = bearer(tokens_in(await use(client, passkey)))
        response = await client.request(method, path, json=body, headers=stolen)
        assert (response.status_code, response.json()) == refused
        for headers in (own, default_user_headers):
            response = await client.request(method, path, json=body, headers=headers)
            assert (response.status_code, response.json()) != refused
    response = await client.request(method, path, json=body, headers=stolen)
    assert (response.status_code, response.json()) != refused


async def test_options_asked_for_earlier_are_no_way_either(
    client: AsyncClient, superuser: User, superuser_headers: dict[str, str]
) -> None:
    stolen = bearer(await login(client, superuser))
    body = Authenticator().create(await options_for(client, stolen))
    await register(client, superuser_headers, Authenticator())
    with other_settings(SUPERUSER_SECOND_FACTOR="required"):
        response = await send(client, stolen, body)
        assert (response.status_code, response.json()) == (403, {"detail": PASSKEY_REQUIRED})
    assert (await send(client, stolen, body)).status_code == 201


async def test_a_browser_gets_the_cookie(client: AsyncClient, passkey: Authenticator) -> None:
    path, evil = "/auth/browser/passkeys/login", {"Origin": "https://evil.example"}
    assertion = passkey.get(await login_options(client))
    assert (await client.post(path, json=assertion, headers=evil)).status_code == 403
    response = await client.post(path, json=assertion)
    assert response.status_code == 200
    assert "refresh_token" not in response.json()
    assert "HttpOnly" in response.headers["Set-Cookie"]
    assert await is_logged_in(client, response.json())
    response = await client.post(path, json=assertion)
    assert (response.status_code, response.json()) == INVALID
    assert "Set-Cookie" not in response.headers


async def test_the_client_of_a_login_is_known_from_then_on(
    client: AsyncClient, session: AsyncSession, default_user: User, passkey: Authenticator
) -> None:
    passkey.flags = PRESENT
    await use(client, passkey)
    assert (await session.scalars(select(KnownClient.user_id))).all() == []
    passkey.flags |= VERIFIED
    await use(client, passkey)
    assert (await session.scalars(select(KnownClient.user_id))).all() == [default_user.id]


async def test_a_client_with_too_many_attempts_has_to_wait(
    client: AsyncClient, session: AsyncSession, passkey: Authenticator
) -> None:
    await use(client, Authenticator())
    await session.execute(update(RateLimit).values(resets_at=func.now() + timedelta(hours=1)))
    await session.commit()
    assertion, spent = passkey.get(await login_options(client)), select(func.count()).select_from(SpentChallenge)
    before = await session.scalar(spent)
    for path in ("/auth/passkeys/login", "/auth/browser/passkeys/login"):
        response = await client.post(path, json=assertion)
        assert (response.status_code, response.json()["error"]) == (429, "temporarily_unavailable")
        assert int(response.headers["Retry-After"]) > 0
    assert await session.scalar(spent) == before
    await session.execute(update(RateLimit).values(resets_at=func.now()))
    await session.commit()
    assert (await client.post("/auth/passkeys/login", json=assertion)).status_code == 200
