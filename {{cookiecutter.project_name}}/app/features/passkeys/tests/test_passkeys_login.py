"""Logging in with a passkey."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from unittest.mock import ANY

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from httpx import AsyncClient
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.credentials import note_change_of_factors
from app.features.passkeys.challenges import CHALLENGE_LIFETIME
from app.features.passkeys.models import Passkey, SpentChallenge
from app.features.passkeys.tests.authenticator import (
    BACKED_UP,
    ORIGIN,
    PRESENT,
    VERIFIED,
    Authenticator,
    base64url,
    decoded,
)
from app.features.passkeys.tests.helpers import (
    INVALID_LOGIN,
    audited,
    login_options,
    options_for,
    read,
    register,
    use,
)
from app.models import KnownClient, LoginSession, RateLimit, User
from app.tests.helpers import Json, bearer, begin, is_logged_in, tokens_in, waiting_for_locks
from app.tests.other_settings import other_settings

REFUSED = "passkey_refused"
WRONG: dict[str, Json] = {  # attributes of the authenticator
    "another web site": {"client_data": {"origin": "https://evil.example"}},
    "another web site that begins alike": {"client_data": {"origin": "http://localhost.evil.example"}},
    "another web site after an @": {"client_data": {"origin": "http://localhost@evil.example"}},
    "a URL": {"client_data": {"origin": f"{ORIGIN}/"}},
    "a sandboxed frame": {"client_data": {"origin": "null"}},
    "no web site": {"client_data": {"origin": None}},
    "another web site's frame": {"client_data": {"origin": ORIGIN, "crossOrigin": True}},
    "a registration": {"client_data": {"origin": ORIGIN, "type": "webauthn.create"}},
    "a dot after the host": {"client_data": {"origin": "http://localhost.:8000"}},
    "upper case": {"client_data": {"origin": ORIGIN.upper()}},
    "a list of origins": {"client_data": {"origin": [ORIGIN]}},
    "a frame, in words": {"client_data": {"origin": ORIGIN, "crossOrigin": "false"}},
    "a frame of ours": {"client_data": {"origin": ORIGIN, "crossOrigin": False, "topOrigin": ORIGIN}},
    "a type with a space": {"client_data": {"origin": ORIGIN, "type": "webauthn.get "}},
    "a name twice": {"written": lambda text: text.replace("{", f'{{"origin": "{ORIGIN}", ', 1)},
    "a list": {"written": lambda text: f"[{text}]"},
    "something after it": {"written": lambda text: f"{text}{{}}"},
    "a backup of what has none": {"flags": PRESENT | VERIFIED | BACKED_UP},
    "another RP ID": {"rp_id": "evil.example"},
    "no user verification": {"flags": PRESENT},
    "nobody present": {"flags": VERIFIED},
    "another key": {"key": ec.generate_private_key(ec.SECP256R1())},
    "another user": {"user": bytes(16)},
    "no user": {"user": b""},
}


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
    assert (response.status_code, response.json()) == INVALID_LOGIN
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
    assert (response.status_code, response.json()) == INVALID_LOGIN
    assert audited(caplog) == [(REFUSED, str(default_user.id))]
    vars(passkey).update(right | {"count": passkey.count})
    assert (await use(client, passkey)).status_code == 200


async def test_a_passkey_that_nobody_knows_is_refused(
    client: AsyncClient, passkey: Authenticator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    passkey.id = b"another"
    response = await use(client, passkey)
    assert (response.status_code, response.json()) == INVALID_LOGIN
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
    assert (response.status_code, response.json()) == INVALID_LOGIN


@pytest.mark.parametrize(
    "spell",
    [
        lambda challenge: f"{challenge}=",
        lambda challenge: f"{challenge}==",
        lambda challenge: f"{challenge}\0",
        lambda challenge: f"{challenge} ",
        lambda challenge: f" {challenge}",
        lambda challenge: f"{challenge[:10]}\n{challenge[10:]}",
        lambda challenge: f"{challenge}!",
        lambda challenge: decoded(challenge).hex(),
        # The last character has two bits of nothing.
        lambda challenge: challenge[:-1] + chr(ord(challenge[-1]) + 1),
        lambda challenge: [challenge],
    ],
)
async def test_a_challenge_is_spelled_as_it_was_sent(
    client: AsyncClient, passkey: Authenticator, spell: Callable[[str], str]
) -> None:
    options = await login_options(client)
    passkey.spell = spell
    response = await client.post("/auth/passkeys/login", json=passkey.get(options))
    assert (response.status_code, response.json()) == INVALID_LOGIN
    passkey.spell = str
    assert (await client.post("/auth/passkeys/login", json=passkey.get(options))).status_code == 200


async def test_the_named_credential_is_the_one_that_was_used(client: AsyncClient, passkey: Authenticator) -> None:
    assertion = passkey.get(await login_options(client))
    response = await client.post("/auth/passkeys/login", json=assertion | {"id": base64url(b"another")})
    assert (response.status_code, response.json()) == INVALID_LOGIN
    assert (await client.post("/auth/passkeys/login", json=assertion)).status_code == 200


@pytest.mark.usefixtures("one_moment")
async def test_a_challenge_expires_after_five_minutes(
    client: AsyncClient, passkey: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, early, moment = await login_options(client), await login_options(client), time.time()
    monkeypatch.setattr(time, "time", lambda: moment + 300)
    response = await client.post("/auth/passkeys/login", json=passkey.get(late))
    assert (response.status_code, response.json()) == INVALID_LOGIN
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
    assert (response.status_code, response.json()) == INVALID_LOGIN


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
    assert (response.status_code, response.json()) == INVALID_LOGIN
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
        assert (response.status_code, response.json()) == INVALID_LOGIN
        assert audited(caplog) == events


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
    assert (response.status_code, response.json()) == INVALID_LOGIN
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


async def test_a_passkey_that_is_removed_first_begins_no_session(
    client: AsyncClient,
    session: AsyncSession,
    default_user: User,
    default_user_headers: dict[str, str],
    passkey: Authenticator,
) -> None:
    """The login has used the passkey and waits to begin its session, behind the removal."""
    ((listed,), assertion) = await read(client, default_user_headers), passkey.get(await login_options(client))
    await session.execute(select(User.id).where(User.id == default_user.id).with_for_update())
    path = f"/auth/passkeys/{listed['id']}"
    removal = asyncio.create_task(client.delete(path, headers=default_user_headers))
    await waiting_for_locks(1)
    login = asyncio.create_task(client.post("/auth/passkeys/login", json=assertion))
    await waiting_for_locks(2)
    await session.commit()
    assert (await removal).status_code == 204
    response = await login
    assert (response.status_code, response.json()) == INVALID_LOGIN
    assert (await session.scalars(select(LoginSession.login_method))).all() == ["password"]


async def test_a_passkey_that_is_removed_while_its_account_is_looked_up_is_of_no_use(
    client: AsyncClient, session: AsyncSession, default_user: User, passkey: Authenticator
) -> None:
    assertion = passkey.get(await login_options(client))
    await session.execute(text("LOCK TABLE users IN ACCESS EXCLUSIVE MODE"))
    login = asyncio.create_task(client.post("/auth/passkeys/login", json=assertion))
    await waiting_for_locks(1)
    await session.execute(delete(Passkey))
    await note_change_of_factors(session, default_user.id)
    await session.commit()
    response = await login
    assert (response.status_code, response.json()) == INVALID_LOGIN
    assert (await session.scalars(select(LoginSession.login_method))).all() == ["password"]
