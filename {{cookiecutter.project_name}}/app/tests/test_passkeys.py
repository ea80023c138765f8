"""Registering, listing and removing passkeys."""

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from unittest.mock import ANY

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from httpx import AsyncClient, Response
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import PROJECT, settings
from app.models import LoginSession, OutgoingMail, Passkey, User
from app.tests.authenticator import (
    ORIGIN,
    PRESENT,
    VERIFIED,
    Authenticator,
    Key,
    base64url,
    cose,
    decoded,
    login_options,
    options_for,
    read,
    register,
    use,
)
from app.tests.helpers import PASSWORD, Json, bearer, begin, tokens_in, waiting_for_locks
from app.tests.other_settings import application_with, other_settings
from app.tests.test_passkeys_login import audited
from app.tests.test_second_factor import answer, mfa_token, set_up

INVALID = (400, {"detail": "Invalid passkey"})
PASSWORD_REQUIRED = (403, {"detail": "Password required", "error": "password_required"})
CODE_REQUIRED = (403, {"detail": "Second factor required", "error": "mfa_required"})
NAMES = ("clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle")
ES256 = cose(ec.generate_private_key(ec.SECP256R1()))
P384 = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()
RS256 = cose(rsa.generate_private_key(65537, 2048))
WRONG: dict[str, Json] = {  # attributes of the authenticator
    "another site": {"client_data": {"origin": "https://evil.example"}},
    "another site's frame": {"client_data": {"origin": ORIGIN, "crossOrigin": True}},
    "a login": {"client_data": {"origin": ORIGIN, "type": "webauthn.get"}},
    "another RP ID": {"rp_id": "evil.example"},
    "no user verification": {"flags": PRESENT},
    "nobody present": {"flags": VERIFIED},
    "an algorithm that nobody asked for": {"public_key": cbor2.dumps(ES256 | {3: -36})},
    "another algorithm of RSA": {"public_key": cbor2.dumps(RS256 | {3: -37})},
    "another curve": {"public_key": cbor2.dumps(ES256 | {-1: 2, -2: P384.x.to_bytes(48), -3: P384.y.to_bytes(48)})},
    "a point beside the curve": {"public_key": cbor2.dumps(ES256 | {-2: bytes(32)})},
    "a key of another kind": {"public_key": cbor2.dumps(RS256 | {3: -7})},
    "an elliptic key for RSA": {"public_key": cbor2.dumps(ES256 | {3: -257})},
    "an Edwards key for ES256": {"public_key": cbor2.dumps(cose(ed25519.Ed25519PrivateKey.generate()) | {3: -7})},
    "a short key": {"public_key": cbor2.dumps(cose(rsa.generate_private_key(65537, 1024)))},  # noqa: S505 — it is refused
    "a long key": {"public_key": cbor2.dumps(RS256 | {-1: b"\xff" * 513})},
    "a costly key": {"public_key": cbor2.dumps(RS256 | {-2: b"\x01" + bytes(3) + b"\x01"})},
    "a key with something else": {"public_key": cbor2.dumps(ES256 | {99: bytes(1000)})},
    "a key of text": {"public_key": cbor2.dumps("x")},
    "an old form of key": {"public_key": cbor2.dumps(4)},
}


def nested(first: bytes, count: int) -> bytes:
    return first * count + b"\x01"


LAUGHS = [b"\xd8\x1c\x82\x00\x00", *(b"\xd8\x1c\x82" + (b"\xd8\x1d" + bytes([i])) * 2 for i in range(23))]
ODD_CBOR = {
    "nothing": b"",
    "values that share values": b"\x98\x18" + b"".join(LAUGHS),
    "a cycle": bytes.fromhex("d81c81d81d00"),
    "a large number": b"\xc2\x59\x20\x00" + b"\xff" * 0x2000,
    "nested arrays": nested(b"\x81", 10_000),
    "a few nested arrays": nested(b"\x81", 5),
    "nested maps": nested(b"\xa1\x01", 5_000),
    "endless arrays": nested(b"\x9f", 10_000),
    "an array until further notice": b"\x9f" + b"\x01" * 30 + b"\xff",
    "an endless string": b"\x7f\x61a\xff",
    "a length that isn't there": b"\x9b" + b"\x7f" * 8,
    "a string that isn't there": b"\x5b" + b"\x7f" * 8,
    "two items": b"\x01\x01",
}


async def send(client: AsyncClient, headers: dict[str, str], credential: Json) -> Response:
    return await client.post("/auth/passkeys", json=credential, headers=headers)


def asker(client: AsyncClient, method: str, headers: dict[str, str]) -> Callable[..., Awaitable[Response]]:
    """Ask for the options, or for the end of a passkey that isn't there."""
    path = "/auth/passkeys/options" if method == "POST" else f"/auth/passkeys/{uuid.uuid4()}"

    async def ask(body: Json | None = None) -> Response:
        return await client.request(method, path, json=body, headers=headers)

    return ask


async def grow_old(session: AsyncSession) -> None:
    """Let all logins be ten minutes ago."""
    await session.execute(update(LoginSession).values(created_at=func.now() - timedelta(minutes=10)))
    await session.commit()


async def test_the_options_are_those_of_webauthn(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str]
) -> None:
    passkey = Authenticator()
    await register(client, default_user_headers, passkey)
    assert await options_for(client, default_user_headers) == {
        "rp": {"id": "localhost", "name": PROJECT["name"]},
        "user": {"id": base64url(default_user.id.bytes), "name": default_user.email, "displayName": default_user.email},
        "challenge": ANY,
        "pubKeyCredParams": [{"alg": algorithm, "type": "public-key"} for algorithm in (-7, -8, -257)],
        "timeout": 300_000,
        "excludeCredentials": [{"id": base64url(passkey.id), "type": "public-key"}],
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        },
        "attestation": "none",
    }


async def test_passkeys_are_listed_with_their_names(
    client: AsyncClient, default_user_headers: dict[str, str], other_user: User
) -> None:
    named = await register(client, default_user_headers, Authenticator(), name="Ana's phone 📱")
    unnamed = await register(client, default_user_headers, Authenticator())
    assert named == {"id": ANY, "name": "Ana's phone 📱", "created_at": ANY, "last_used_at": None}
    assert unnamed["name"] == "Passkey"
    assert await read(client, default_user_headers) == [named, unnamed]
    assert await read(client, bearer(await begin(other_user))) == []
    options = await options_for(client, default_user_headers)
    for name in ("", "x" * 51, "\0", 1, None):
        body = Authenticator().create(options) | {"name": name}
        assert (await send(client, default_user_headers, body)).status_code == 422


@pytest.mark.parametrize("make", [ed25519.Ed25519PrivateKey.generate, lambda: rsa.generate_private_key(65537, 2048)])
async def test_other_algorithms_work_too(
    client: AsyncClient, default_user_headers: dict[str, str], make: Callable[[], Key]
) -> None:
    passkey = Authenticator(make())
    await register(client, default_user_headers, passkey)
    assert (await use(client, passkey)).status_code == 200


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_a_passkey_that_is_wrong_in_one_thing_is_refused(
    client: AsyncClient,
    default_user: User,
    default_user_headers: dict[str, str],
    caplog: pytest.LogCaptureFixture,
    wrong: Json,
) -> None:
    passkey, options = Authenticator(), await options_for(client, default_user_headers)
    right = vars(passkey) | {}
    vars(passkey).update(wrong)
    response = await send(client, default_user_headers, passkey.create(options))
    assert (response.status_code, response.json()) == INVALID
    assert audited(caplog) == [("passkey_refused", str(default_user.id))]
    vars(passkey).update(right)
    assert (await send(client, default_user_headers, passkey.create(options))).status_code == 201


async def test_the_named_credential_is_the_one_that_was_made(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    body = Authenticator().create(await options_for(client, default_user_headers))
    other = base64url(b"another")
    for ids in ({"id": other}, {"id": other, "rawId": other}):
        response = await send(client, default_user_headers, body | ids)
        assert (response.status_code, response.json()) == INVALID


async def test_an_attestation_that_nobody_asked_for_is_not_looked_at(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    passkey = Authenticator()
    passkey.statement = cbor2.dumps({"alg": -7, "sig": b"wrong", "x5c": [b"no certificate"]})
    await register(client, default_user_headers, passkey)


@pytest.mark.parametrize("place", ["object", "statement", "key"])
@pytest.mark.parametrize("odd", ODD_CBOR.values(), ids=ODD_CBOR)
async def test_cbor_that_authenticators_do_not_send_is_refused(
    client: AsyncClient, default_user_headers: dict[str, str], odd: bytes, place: str
) -> None:
    passkey, options = Authenticator(), await options_for(client, default_user_headers)
    vars(passkey).update({"statement": {"statement": odd}, "key": {"public_key": odd}}.get(place, {}))
    body = passkey.create(options)
    if place == "object":
        body["response"]["attestationObject"] = base64url(odd)
    response = await send(client, default_user_headers, body)
    assert (response.status_code, response.json()) == INVALID


async def test_nothing_may_follow_the_attestation(client: AsyncClient, default_user_headers: dict[str, str]) -> None:
    body = Authenticator().create(await options_for(client, default_user_headers))
    body["response"]["attestationObject"] = base64url(decoded(body["response"]["attestationObject"]) + b"\0")
    response = await send(client, default_user_headers, body)
    assert (response.status_code, response.json()) == INVALID


@pytest.mark.parametrize("odd", ODD_CBOR.values(), ids=ODD_CBOR)
async def test_it_is_refused_as_an_extension_too(
    client: AsyncClient, default_user_headers: dict[str, str], odd: bytes
) -> None:
    passkey, options = Authenticator(), await options_for(client, default_user_headers)
    passkey.extensions = odd or b"\xff"
    response = await send(client, default_user_headers, passkey.create(options))
    assert (response.status_code, response.json()) == INVALID
    passkey.extensions = cbor2.dumps({"credProtect": 2})
    assert (await send(client, default_user_headers, passkey.create(options))).status_code == 201
    passkey.extensions = (odd or b"\xff")[:3000]
    response = await use(client, passkey)
    assert (response.status_code, response.json()["detail"]) == (400, "Invalid passkey")
    passkey.extensions = cbor2.dumps({"hmac-secret": bytes(80)})
    assert (await use(client, passkey)).status_code == 200


@pytest.mark.parametrize("kind", ["another user's", "another session's", "of a login", "forged", "empty"])
async def test_only_a_challenge_for_this_session_will_do(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str], other_user: User, kind: str
) -> None:
    options = await options_for(client, default_user_headers)
    if kind == "of a login":
        options["challenge"] = (await login_options(client))["challenge"]
    elif kind in {"forged", "empty"}:
        raw = decoded(options["challenge"])
        options["challenge"] = base64url(raw[:19] + bytes([raw[19] ^ 1]) + raw[20:] if kind == "forged" else b"")
    else:
        headers = bearer(await begin(other_user if kind == "another user's" else default_user))
        options = await options_for(client, headers)
    response = await send(client, default_user_headers, Authenticator().create(options))
    assert (response.status_code, response.json()) == INVALID
    assert await read(client, default_user_headers) == []


async def test_a_challenge_expires_after_five_minutes(
    client: AsyncClient, default_user_headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options, moment = await options_for(client, default_user_headers), time.time()
    monkeypatch.setattr(time, "time", lambda: moment + 300)
    response = await send(client, default_user_headers, Authenticator().create(options))
    assert (response.status_code, response.json()) == INVALID
    monkeypatch.setattr(time, "time", lambda: moment + 298)
    assert (await send(client, default_user_headers, Authenticator().create(options))).status_code == 201


async def test_a_challenge_works_once(client: AsyncClient, default_user_headers: dict[str, str]) -> None:
    options = await options_for(client, default_user_headers)
    bodies = [Authenticator().create(options) for _ in range(15)]
    responses = await asyncio.gather(*(send(client, default_user_headers, body) for body in bodies))
    assert Counter(response.status_code for response in responses) == {201: 1, 400: 14}
    assert len(await read(client, default_user_headers)) == 1
    response = await send(client, default_user_headers, bodies[0])
    assert (response.status_code, response.json()) == INVALID


async def test_a_passkey_is_registered_once(
    client: AsyncClient, default_user_headers: dict[str, str], other_user: User
) -> None:
    passkey, headers = Authenticator(), bearer(await begin(other_user))
    await register(client, default_user_headers, passkey)
    for again in (default_user_headers, headers):
        response = await send(client, again, passkey.create(await options_for(client, again)))
        assert (response.status_code, response.json()) == (409, {"detail": "This passkey is registered already"})
    assert await read(client, headers) == []
    assert len(await read(client, default_user_headers)) == 1


async def test_an_account_has_twenty_passkeys_at_most(
    client: AsyncClient, session: AsyncSession, default_user: User, default_user_headers: dict[str, str]
) -> None:
    session.add_all([Passkey(default_user.id, "", bytes([number]), b"", 0) for number in range(18)])
    await session.commit()
    bodies = [Authenticator().create(await options_for(client, default_user_headers)) for _ in range(4)]
    responses = await asyncio.gather(*(send(client, default_user_headers, body) for body in bodies))
    assert Counter(response.status_code for response in responses) == {201: 2, 409: 2}
    assert len(await read(client, default_user_headers)) == 20
    assert (await client.post("/auth/passkeys/options", headers=default_user_headers)).status_code == 409


async def test_the_end_of_all_sessions_is_the_end_of_registrations(
    client: AsyncClient, session: AsyncSession, default_user: User, default_user_headers: dict[str, str]
) -> None:
    """Such as a new password: no passkey of a thief comes after it."""
    body = Authenticator().create(await options_for(client, default_user_headers))
    await session.execute(select(User.id).where(User.id == default_user.id).with_for_update())
    registration = asyncio.create_task(send(client, default_user_headers, body))
    await waiting_for_locks(1)
    await session.execute(delete(LoginSession))
    await session.commit()
    assert (await registration).status_code == 401
    assert (await session.scalars(select(Passkey.id))).all() == []


async def test_one_removes_ones_own_passkeys(
    client: AsyncClient, default_user_headers: dict[str, str], other_user: User
) -> None:
    passkey_id = (await register(client, default_user_headers, Authenticator()))["id"]
    path = f"/auth/passkeys/{passkey_id}"
    response = await client.delete(path, headers=bearer(await begin(other_user)))
    assert (response.status_code, response.json()) == (404, {"detail": "Passkey not found"})
    statuses = [(await client.delete(path, headers=default_user_headers)).status_code for _ in range(2)]
    assert statuses == [204, 404]
    assert await read(client, default_user_headers) == []


async def test_owners_are_told_and_it_is_logged(
    client: AsyncClient,
    session: AsyncSession,
    default_user: User,
    default_user_headers: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    passkey_id = (await register(client, default_user_headers, Authenticator()))["id"]
    for _ in range(2):  # the second time in vain
        await client.delete(f"/auth/passkeys/{passkey_id}", headers=default_user_headers)
    mails = await session.execute(select(OutgoingMail.kind, OutgoingMail.address).order_by(OutgoingMail.created_at))
    assert mails.all() == [(f"second_factor_{done}", default_user.email) for done in ("added", "removed")]
    assert audited(caplog) == [(f"second_factor_{done}", str(default_user.id)) for done in ("added", "removed")]


@pytest.mark.parametrize(("method", "done"), [("POST", 200), ("DELETE", 404)])
async def test_the_password_says_that_the_owner_is_there(
    client: AsyncClient, session: AsyncSession, default_user_headers: dict[str, str], method: str, done: int
) -> None:
    ask = asker(client, method, default_user_headers)
    assert (await ask()).status_code == done, "the session has just begun"
    await grow_old(session)
    for body in ({}, {"code": "000000"}):
        response = await ask(body)
        assert (response.status_code, response.json()) == PASSWORD_REQUIRED
    response = await ask({"current_password": "wrong"})
    assert (response.status_code, response.json()) == (400, {"detail": "Incorrect password"})
    assert (await ask({"current_password": PASSWORD})).status_code == done
    assert (await ask()).status_code == 403, "it says so for one request"
    assert (await ask({"current_password": PASSWORD, "x": 1})).status_code == 422


@pytest.mark.usefixtures("one_moment")
@pytest.mark.parametrize(("method", "done"), [("POST", 200), ("DELETE", 404)])
async def test_with_a_second_factor_a_code_does(
    client: AsyncClient, session: AsyncSession, default_user: User, method: str, done: int
) -> None:
    headers = bearer(await begin(default_user))
    passkey = Authenticator()
    await register(client, headers, passkey)
    factor, ask = await set_up(client, headers), asker(client, method, headers)
    for body in ({}, {"current_password": PASSWORD}):
        response = await ask(body)
        assert (response.status_code, response.json()) == CODE_REQUIRED, "the session was begun by the password alone"
    response = await ask({"code": "000000"})
    assert (response.status_code, response.json()) == (400, {"detail": "Invalid code"})
    assert (await ask({"code": factor.code()})).status_code == done
    assert (await ask({"code": factor.code()})).status_code == 400, "each is good once"
    assert (await ask({"code": factor.recovery_codes[0]})).status_code == done

    by_code = tokens_in(await answer(client, await mfa_token(client, default_user), factor.code(1)))
    by_passkey = tokens_in(await use(client, passkey))
    asks = [asker(client, method, bearer(tokens)) for tokens in (by_code, by_passkey)]
    assert [(await ask()).status_code for ask in asks] == [done, done]
    await grow_old(session)
    assert [(await ask()).status_code for ask in asks] == [403, 403]


async def test_pages_of_other_origins_that_are_named_may_use_passkeys(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    passkey = Authenticator()
    passkey.client_data = {"origin": "https://app.example.com"}  # in the tests' BACKEND_CORS_ORIGINS
    await register(client, default_user_headers, passkey)
    assert (await use(client, passkey)).status_code == 200
    with other_settings(BACKEND_CORS_ORIGINS="*"):
        assert (await use(client, passkey)).status_code == 400


@pytest.mark.parametrize("rp_id", [None, "example.com"])
async def test_public_url_says_whose_the_passkeys_are(
    client: AsyncClient, default_user: User, rp_id: str | None
) -> None:
    with other_settings(PUBLIC_URL="https://api.example.com", PASSKEY_RP_ID=rp_id):
        headers = bearer(await begin(default_user))
        passkey = Authenticator()
        passkey.rp_id = rp_id or "api.example.com"
        passkey.client_data = {"origin": "https://api.example.com"}
        assert (await options_for(client, headers))["rp"]["id"] == passkey.rp_id
        assert (await login_options(client))["rpId"] == passkey.rp_id
        await register(client, headers, passkey)
        assert (await use(client, passkey)).status_code == 200
        for origin in (ORIGIN, "http://api.example.com", "https://example.com", "https://evil.example.com"):
            passkey.client_data = {"origin": origin}
            assert (await use(client, passkey)).status_code == 400


async def test_browsers_learn_which_origins_may_use_passkeys(client: AsyncClient) -> None:
    path = client.base_url.join("/.well-known/webauthn")
    assert (await client.get(path)).status_code == 404
    with other_settings(PUBLIC_URL="https://api.example.com", BACKEND_CORS_ORIGINS="https://a.example, *"):
        response = await client.get(path)
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == {"origins": ["https://a.example"]}


async def test_production_has_passkeys_only_with_a_public_url() -> None:
    production = {"ENVIRONMENT": "production", "DATABASE_URL": settings.sqlalchemy_url.render_as_string(False)}
    async with application_with(**production) as client:
        assert (await client.post("/auth/passkeys/login/options")).status_code == 404
    async with application_with(**production, PUBLIC_URL="https://api.example.com") as client:
        assert (await login_options(client))["rpId"] == "api.example.com"


async def test_what_browsers_add_is_ignored_and_the_rest_is_bounded(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    passkey = Authenticator()
    options = await options_for(client, default_user_headers)
    body = passkey.create(options)
    assert (await send(client, default_user_headers, body | {"new": {"member": [1]}})).status_code == 201
    secret = "A" * 100_000
    for path, credential in (("", passkey.create(options)), ("/login", passkey.get(await login_options(client)))):
        for part, name in [(credential, "id"), (credential, "rawId"), *((credential["response"], n) for n in NAMES)]:
            if name not in part:
                continue
            was = part[name]
            values: list[object] = [secret, "*", "AAAAA", "é", 1, None, [secret], {}]
            for value in values:
                part[name] = value
                response = await client.post(f"/auth/passkeys{path}", json=credential, headers=default_user_headers)
                assert response.status_code == 422, (name, value)
                assert len(response.content) < 500
                assert "AAAA" not in response.text
            part[name] = was


async def test_no_mutation_of_a_credential_is_an_error_of_ours(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    passkey, dice = Authenticator(), random.Random(16)  # noqa: S311 — the same each time
    passkey.step = 0
    await register(client, default_user_headers, passkey)
    options, login = await options_for(client, default_user_headers), await login_options(client)
    for number in range(400):
        path, credential = [("", passkey.create(options)), ("/login", passkey.get(login))][number % 2]
        member = dice.choice([name for name in NAMES if name in credential["response"]])
        raw = bytearray(decoded(credential["response"][member]))
        place = dice.randrange(len(raw))
        raw[place : place + dice.choice([0, 1, 1, 9])] = dice.randbytes(dice.choice([0, 1, 1, 5]))
        credential["response"][member] = base64url(bytes(raw))
        response = await client.post(f"/auth/passkeys{path}", json=credential, headers=default_user_headers)
        assert response.status_code in {200, 201, 400, 409, 422}, credential
