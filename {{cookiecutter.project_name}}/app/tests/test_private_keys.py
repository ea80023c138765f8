"""JWT_PRIVATE_KEY signs access tokens: others verify them by the JWKS, and nothing else verifies here."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from httpx import AsyncClient
from jose import jwk, jwt

from app.core.config import settings
from app.models import User
from app.tests.helpers import Json, begin, is_logged_in, login, refresh
from app.tests.other_settings import GOOD_KEY, application_with, other_settings, refusal

Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
HOST = f"https://{settings.allowed_hosts[0]}"


def pem_of(key: Private, passphrase: bytes | None = None) -> str:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


FIRST, SECOND = pem_of(ec.generate_private_key(ec.SECP256R1())), pem_of(ec.generate_private_key(ec.SECP256R1()))
RSA = pem_of(rsa.generate_private_key(65_537, 2048))
ALGORITHMS = {FIRST: "ES256", SECOND: "ES256", RSA: "RS256"}


async def read_keys(client: AsyncClient) -> list[dict[str, str]]:
    response = await client.get(f"{HOST}/.well-known/jwks.json")
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "public, max-age=300"
    keys: list[dict[str, str]] = response.json()["keys"]
    return keys


def header_of(tokens: Json) -> Json:
    return jwt.get_unverified_header(tokens["access_token"])


def resign(tokens: Json, header: Json, sign_with: Callable[[bytes], bytes]) -> Json:
    """The same claims under another header and signature."""
    claims = tokens["access_token"].split(".")[1]
    signed = f"{base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b'=').decode()}.{claims}"
    signature = base64.urlsafe_b64encode(sign_with(signed.encode())).rstrip(b"=").decode()
    return tokens | {"access_token": f"{signed}.{signature}"}


def signer(pem: str, algorithm: str | None = None) -> Callable[[bytes], bytes]:
    key = jwk.construct(pem, algorithm or ALGORITHMS[pem])
    return lambda message: bytes(key.sign(message))


def hmac_signer(secret: bytes) -> Callable[[bytes], bytes]:
    return lambda message: hmac.digest(secret, message, "sha256")


@pytest.mark.parametrize("pem", [FIRST, RSA], ids=["ES256", "RS256"])
@pytest.mark.parametrize("newline", ["\n", "\\n", "\r\n"])
async def test_others_verify_by_the_key_set_alone(
    client: AsyncClient, default_user: User, pem: str, newline: str
) -> None:
    with other_settings(JWT_PRIVATE_KEY=pem.replace("\n", newline).strip(), PUBLIC_URL="https://api.example.com/"):
        tokens = await login(client, default_user)
        assert await is_logged_in(client, tokens)
        (key,) = await read_keys(client)
    header = header_of(tokens)
    assert header == {"alg": ALGORITHMS[pem], "typ": "at+jwt", "kid": key["kid"]}
    assert (key["alg"], key["use"]) == (ALGORITHMS[pem], "sig")
    claims = jwt.decode(
        tokens["access_token"], key, [key["alg"]], issuer="https://api.example.com", audience="https://api.example.com"
    )
    assert claims["sub"] == str(default_user.id)


async def test_a_key_id_is_the_thumbprint_of_rfc_7638_and_nothing_private_is_published(client: AsyncClient) -> None:
    with other_settings(JWT_PRIVATE_KEY=FIRST, JWT_PRIVATE_KEY_FALLBACKS=RSA):
        elliptic, rsa_key = await read_keys(client)
    assert elliptic.keys() == {"kty", "crv", "x", "y", "alg", "use", "kid"}
    assert rsa_key.keys() == {"kty", "n", "e", "alg", "use", "kid"}
    for key, members in ((elliptic, ("crv", "kty", "x", "y")), (rsa_key, ("e", "kty", "n"))):
        text = "{" + ",".join(f'"{name}":"{key[name]}"' for name in members) + "}"
        digest = hashlib.sha256(text.encode()).digest()
        assert base64.urlsafe_b64decode(key["kid"] + "=") == digest


async def test_without_a_private_key_the_key_set_is_empty(client: AsyncClient) -> None:
    assert await read_keys(client) == []
    with other_settings(JWT_PRIVATE_KEY_FALLBACKS=FIRST):
        assert await read_keys(client) == []


async def test_private_keys_rotate_with_nobody_logged_out(client: AsyncClient, default_user: User) -> None:
    with other_settings(JWT_PRIVATE_KEY=FIRST, JWT_PRIVATE_KEY_FALLBACKS=SECOND):
        before = await login(client, default_user)
        announced = [key["kid"] for key in await read_keys(client)]
    with other_settings(JWT_PRIVATE_KEY=SECOND, JWT_PRIVATE_KEY_FALLBACKS=f"{FIRST},{RSA}"):
        after = await refresh(client, before)
        assert await is_logged_in(client, before)
        assert await is_logged_in(client, after)
        assert len(await read_keys(client)) == 3
    assert [header_of(tokens)["kid"] for tokens in (before, after)] == announced
    with other_settings(JWT_PRIVATE_KEY=SECOND):
        assert not await is_logged_in(client, before)
        assert await is_logged_in(client, after)


async def test_with_a_private_key_hs256_is_refused_but_sessions_go_on(client: AsyncClient, default_user: User) -> None:
    shared = await login(client, default_user)
    with other_settings(JWT_PRIVATE_KEY=FIRST):
        assert not await is_logged_in(client, shared)
        private = await refresh(client, shared)
        assert await is_logged_in(client, private)
    assert not await is_logged_in(client, private)


async def test_an_algorithm_belongs_to_a_key(client: AsyncClient, default_user: User) -> None:
    secret = settings.secret_key.get_secret_value()
    with other_settings(JWT_PRIVATE_KEY=FIRST, JWT_PRIVATE_KEY_FALLBACKS=RSA):
        tokens = await begin(default_user)
        header, (_, fallback) = header_of(tokens), await read_keys(client)
        assert await is_logged_in(client, resign(tokens, header, signer(FIRST)))
        assert await is_logged_in(
            client, resign(tokens, header | {"alg": "RS256", "kid": fallback["kid"]}, signer(RSA))
        )
        without_id = {"alg": "RS256", "typ": "at+jwt"}
        assert await is_logged_in(client, resign(tokens, without_id, signer(RSA)))
        for wrong, sign_with in {
            "another's algorithm": (header | {"alg": "RS256"}, signer(FIRST)),
            "HS256 with a right signature": (header | {"alg": "HS256"}, signer(FIRST)),
            "a fallback's id with the first's algorithm": (header | {"kid": fallback["kid"]}, signer(RSA)),
            "a fallback's id with the first's signature": (header | {"kid": fallback["kid"]}, signer(FIRST)),
            "a longer hash": (header | {"alg": "RS512", "kid": fallback["kid"]}, signer(RSA, "RS512")),
            "a key that isn't ours": (header, signer(SECOND)),
            "SECRET_KEY": (header | {"alg": "HS256"}, signer(secret, "HS256")),
            "no algorithm": ({"typ": "at+jwt", "kid": header["kid"]}, signer(FIRST)),
        }.values():
            assert not await is_logged_in(client, resign(tokens, wrong, sign_with))


async def test_a_public_key_never_verifies_an_hmac(client: AsyncClient, default_user: User) -> None:
    """What whoever reads the key set could sign, were it taken for a secret."""
    with other_settings(JWT_PRIVATE_KEY=FIRST, JWT_PRIVATE_KEY_FALLBACKS=RSA):
        tokens = await begin(default_user)
        header = header_of(tokens) | {"alg": "HS256"}
        for key in await read_keys(client):
            public = jwk.construct(key, key["alg"])
            for secret in (bytes(public.to_pem()), public.to_pem().strip(), json.dumps(key).encode()):
                for fields in (header | {"kid": key["kid"]}, {"alg": "HS256", "typ": "at+jwt"}):
                    signed = resign(tokens, fields, hmac_signer(secret))
                    assert not await is_logged_in(client, signed)


async def test_a_key_that_a_token_brings_along_or_points_to_is_not_used(
    client: AsyncClient, default_user: User
) -> None:
    with other_settings(JWT_PRIVATE_KEY=FIRST):
        tokens = await begin(default_user)
        header = header_of(tokens)
        own = jwk.construct(SECOND, "ES256").public_key().to_dict()
        for extra in (
            {"jwk": own},
            {"jwk": own, "kid": own["x"]},
            {"jku": "https://attacker.example/jwks.json"},
            {"x5u": "https://attacker.example/key.pem"},
            {"x5c": ["MIIB"]},
        ):
            assert not await is_logged_in(client, resign(tokens, header | extra, signer(SECOND))), extra
            without_id = {name: value for name, value in (header | extra).items() if name != "kid"}
            assert not await is_logged_in(client, resign(tokens, without_id, signer(SECOND))), extra


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("xyzzy", "must be a private key in PEM"),
        (pem_of(ec.generate_private_key(ec.SECP256R1()), b"xyzzy"), "without a passphrase"),
        (pem_of(ec.generate_private_key(ec.SECP384R1())), "must be an EC key on the curve P-256"),
        (pem_of(ed25519.Ed25519PrivateKey.generate()), "must be an EC key on the curve P-256"),
        (pem_of(rsa.generate_private_key(65_537, 1024)), "2048 bits or more"),  # noqa: S505
        (
            ec.generate_private_key(ec.SECP256R1())
            .public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            .decode(),
            "must be a private key in PEM",
        ),
    ],
    ids=["text", "passphrase", "P-384", "Ed25519", "RSA 1024", "public"],
)
@pytest.mark.parametrize("name", ["JWT_PRIVATE_KEY", "JWT_PRIVATE_KEY_FALLBACKS"])
def test_a_key_that_cannot_work_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, bad: str, why: str
) -> None:
    message = refusal(monkeypatch, **{name: bad})
    assert f"  {name}: " in message
    assert why in message
    assert bad.strip().splitlines()[-1] not in message


METADATA = {
    "revocation_endpoint_auth_methods_supported": ["none"],
    "response_types_supported": [],
}


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
async def test_the_metadata_lead_to_the_endpoints_wherever_they_are(default_user: User, prefix: str) -> None:
    async with application_with(PUBLIC_URL="https://api.example.com:8443/", API_PREFIX=prefix) as client:
        response = await client.get(f"{HOST}/.well-known/oauth-authorization-server")
        assert response.status_code == 200
        base = "https://api.example.com:8443"
        metadata = response.json()
        # Features may add to these.
        assert metadata.pop("grant_types_supported")[:2] == ["password", "refresh_token"]
        assert metadata.pop("token_endpoint_auth_methods_supported")[0] == "none"
        assert set(metadata.pop("scopes_supported")) >= {"account", "users:write"}
        assert metadata == METADATA | {
            "issuer": base,
            "token_endpoint": f"{base}{prefix}/auth/access-token",
            "revocation_endpoint": f"{base}{prefix}/auth/revoke",
            "jwks_uri": f"{base}/.well-known/jwks.json",
        }
        for url, status in (("token_endpoint", 422), ("revocation_endpoint", 422)):
            assert (await client.post(response.json()[url], headers={"Host": HOST[8:]})).status_code == status
        assert (await client.get(response.json()["jwks_uri"], headers={"Host": HOST[8:]})).status_code == 200


async def test_without_a_public_url_there_are_no_metadata(client: AsyncClient) -> None:
    response = await client.get(f"{HOST}/.well-known/oauth-authorization-server")
    assert (response.status_code, response.json()) == (404, {"detail": "Not Found"})


async def test_the_public_url_is_issuer_and_audience(client: AsyncClient, default_user: User) -> None:
    before = await login(client, default_user)
    with other_settings(PUBLIC_URL="https://api.example.com/"):
        assert not await is_logged_in(client, before)
        after = await refresh(client, before)
        assert await is_logged_in(client, after)
    claims = jwt.get_unverified_claims(after["access_token"])
    assert (claims["iss"], claims["aud"]) == ("https://api.example.com", "https://api.example.com")


@pytest.mark.parametrize(
    "url",
    [
        "api.example.com",
        "ftp://api.example.com",
        "https://api.example.com/path",
        "https://api.example.com//",
        "https://user@api.example.com",
        "https://api.example.com?x=y",
        "https://api.example.com#x",
        "https://",
        "https://api.example.com:port",
    ],
)
def test_a_public_url_is_scheme_host_and_port(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert "PUBLIC_URL: must look like https://api.example.com" in refusal(monkeypatch, PUBLIC_URL=url)


def test_production_refuses_a_public_url_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    production = {"ENVIRONMENT": "production", "DATABASE_URL": "postgresql://host/name", "SECRET_KEY": GOOD_KEY}
    message = refusal(monkeypatch, **production, PUBLIC_URL="http://api.example.com")
    assert "PUBLIC_URL must begin with https://" in message
