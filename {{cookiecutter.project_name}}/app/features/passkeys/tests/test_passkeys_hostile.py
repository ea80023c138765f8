"""What a hostile authenticator or browser may send to register a passkey or to log in with one."""

import random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from fido2 import cbor
from httpx import AsyncClient

from app.features.passkeys.tests.authenticator import (
    ORIGIN,
    PRESENT,
    VERIFIED,
    Authenticator,
    base64url,
    cose,
    decoded,
)
from app.features.passkeys.tests.helpers import (
    INVALID,
    audited,
    login_options,
    options_for,
    register,
    send,
    use,
)
from app.models import User
from app.tests.helpers import Json

NAMES = ("clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle")
ES256 = cose(ec.generate_private_key(ec.SECP256R1()))
P384 = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()
RS256 = cose(rsa.generate_private_key(65537, 2048))
WRONG: dict[str, Json] = {  # attributes of the authenticator
    "another web site": {"client_data": {"origin": "https://evil.example"}},
    "another web site's frame": {"client_data": {"origin": ORIGIN, "crossOrigin": True}},
    "a login": {"client_data": {"origin": ORIGIN, "type": "webauthn.get"}},
    "another RP ID": {"rp_id": "evil.example"},
    "no user verification": {"flags": PRESENT},
    "nobody present": {"flags": VERIFIED},
    "an algorithm that nobody asked for": {"public_key": cbor.encode(ES256 | {3: -36})},
    "another algorithm of RSA": {"public_key": cbor.encode(RS256 | {3: -37})},
    "another curve": {"public_key": cbor.encode(ES256 | {-1: 2, -2: P384.x.to_bytes(48), -3: P384.y.to_bytes(48)})},
    "a point beside the curve": {"public_key": cbor.encode(ES256 | {-2: bytes(32)})},
    "a key of another kind": {"public_key": cbor.encode(RS256 | {3: -7})},
    "an elliptic key for RSA": {"public_key": cbor.encode(ES256 | {3: -257})},
    "an Edwards key for ES256": {"public_key": cbor.encode(cose(ed25519.Ed25519PrivateKey.generate()) | {3: -7})},
    "a short key": {"public_key": cbor.encode(cose(rsa.generate_private_key(65537, 1024)))},  # noqa: S505 — it is refused
    "a long key": {"public_key": cbor.encode(RS256 | {-1: b"\xff" * 513})},
    "a costly key": {"public_key": cbor.encode(RS256 | {-2: b"\x01" + bytes(3) + b"\x01"})},
    "a key with something else": {"public_key": cbor.encode(ES256 | {99: bytes(1000)})},
    "a key of text": {"public_key": cbor.encode("x")},
    "an old form of key": {"public_key": cbor.encode(4)},
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
    passkey.statement = cbor.encode({"alg": -7, "sig": b"wrong", "x5c": [b"no certificate"]})
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


@pytest.mark.parametrize("authenticator_data", [0, 1 << 20, -1, "x", [1, 2], {}, False, bytes(36), bytes(37)], ids=repr)
async def test_authenticator_data_is_bytes_of_its_form(
    client: AsyncClient, default_user_headers: dict[str, str], authenticator_data: Any
) -> None:
    body = Authenticator().create(await options_for(client, default_user_headers))
    written = cbor.encode({"fmt": "none", "attStmt": {}, "authData": authenticator_data})
    body["response"]["attestationObject"] = base64url(written)
    response = await send(client, default_user_headers, body)
    assert (response.status_code, response.json()) == INVALID


async def test_authenticator_data_is_not_made_of_numbers(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    """As bytes() makes it: of a list of bytes, or of one number as many zeros, terabytes if need be."""
    body = Authenticator().create(await options_for(client, default_user_headers))
    attestation: Any = cbor.decode(decoded(body["response"]["attestationObject"]))
    written = cbor.encode(attestation | {"authData": list(attestation["authData"])})
    body["response"]["attestationObject"] = base64url(written)
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
    passkey.extensions = cbor.encode({"credProtect": 2})
    assert (await send(client, default_user_headers, passkey.create(options))).status_code == 201
    passkey.extensions = (odd or b"\xff")[:3000]
    response = await use(client, passkey)
    assert (response.status_code, response.json()["detail"]) == (400, "Invalid passkey")
    passkey.extensions = cbor.encode({"hmac-secret": bytes(80)})
    assert (await use(client, passkey)).status_code == 200


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
            values: list[object] = [secret, "*", "AAAAA", "AB", "AAB", "AA==", "é", 1, None, [secret], {}]
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
