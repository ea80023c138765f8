"""What a provider, or somebody between, may send: each is refused, and nobody is logged in."""

import asyncio
import gzip
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from httpx import AsyncClient
from joserfc.jwk import ECKey

from app.core.config import settings
from app.features.sign_in import discovery, requests
from app.features.sign_in.flow import COOKIE
from app.features.sign_in.settings import is_safe, sign_in_settings
from app.features.sign_in.tests.helpers import PAGE, accounts, begin, come_back, error_of, is_logged_in, sign_in
from app.features.sign_in.tests.provider import FakeProvider, Network

Tamper = Callable[[FakeProvider], object]
NOW = int(time.time())
DAY = 86_400

CLAIMS: dict[str, Any] = {
    "iss of somebody else": {"iss": "https://evil.example"},
    "iss nearly ours": {"iss": "https://login.example/"},
    "no iss": {"iss": None},
    "several iss": {"iss": ["https://login.example"]},
    "aud of somebody else": {"aud": "them"},
    "no aud": {"aud": None},
    "several aud, no azp": {"aud": ["us", "them"]},
    "azp of somebody else": {"aud": ["us", "them"], "azp": "them"},
    "azp of somebody else, our aud": {"azp": "them"},
    "another nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "several nonces": {"nonce": ["x"]},
    "expired": {"exp": NOW - DAY},
    "no exp": {"exp": None},
    "exp in words": {"exp": str(NOW + DAY)},
    "issued tomorrow": {"iat": NOW + DAY},
    "no iat": {"iat": None},
    "good from tomorrow": {"nbf": NOW + DAY},
    "at_hash of another token": {"at_hash": "x"},
    "at_hash that is a number": {"at_hash": 1},
    "no sub": {"sub": None},
    "an empty sub": {"sub": ""},
    "a sub that is a number": {"sub": 42},
    "a long sub": {"sub": "x" * 256},
    "a sub with NUL": {"sub": "4\x002"},
    "a sub with half a character": {"sub": "\ud800"},
    "a huge token": {"x": "x" * 200_000},
}


@pytest.mark.parametrize("claims", CLAIMS.values(), ids=CLAIMS)
async def test_an_id_token_with_a_claim_that_is_not_right(
    client: AsyncClient, company: FakeProvider, claims: dict[str, Any]
) -> None:
    company.claims = claims
    assert error_of(await sign_in(client, company)) == "invalid_response"
    assert await accounts() == []
    assert not is_logged_in(client)


async def test_several_audiences_are_right_if_we_asked(client: AsyncClient, company: FakeProvider) -> None:
    company.claims = {"aud": ["us", "their project"], "azp": "us", "exp": NOW + DAY, "iat": NOW + 30, "at_hash": None}
    assert await sign_in(client, company) == PAGE


def without_signature(company: FakeProvider) -> None:
    company.header, company.signer = {"alg": "none"}, lambda _: b""


def with_secret(company: FakeProvider) -> None:
    company.header = {"alg": "HS256"}
    company.signer = lambda data: hmac.digest(b"secret of the company", data, "sha256")


def with_public_key(company: FakeProvider) -> None:
    company.header = {"alg": "HS256"}
    company.signer = lambda data: hmac.digest(company.key.as_pem(private=False), data, "sha256")


def with_another_key(company: FakeProvider) -> None:
    another = ECKey.generate_key("P-256")
    company.header = {"jwk": another.as_dict(private=False)}  # which it brings along
    company.signer = lambda data: company.sign(data, another)


def with_key_for_encryption(company: FakeProvider) -> None:
    key = company.key.as_dict(private=False) | {"use": "enc"}
    company.responses["/keys"] = httpx.Response(200, json={"keys": [key]})


def allow(*algorithms: str) -> Callable[[Tamper], Tamper]:
    """Have the configuration list these algorithms, too."""

    def decorate(tamper: Tamper) -> Tamper:
        def both(company: FakeProvider) -> None:
            company.configuration["id_token_signing_alg_values_supported"] += algorithms
            tamper(company)

        return both

    return decorate


SIGNATURES: dict[str, Tamper] = {
    "none": without_signature,
    "none, which the configuration lists": allow("none")(without_signature),
    "by our secret": with_secret,
    "by our secret, as the configuration lists": allow("HS256")(with_secret),
    "by the public key as a secret": allow("HS256")(with_public_key),
    "by another key": with_another_key,
    "by a key for encryption": with_key_for_encryption,
    "a key id that nobody knows": lambda company: company.header.update(kid="2"),
    "a key id that is no text": lambda company: company.header.update(kid=["1"]),
    "an extension that nobody knows": lambda company: company.header.update(crit=["x"], x=1),
    "an algorithm that the configuration doesn't list": lambda company: company.configuration.update(
        id_token_signing_alg_values_supported=["RS256"]
    ),
    "no algorithm": lambda company: company.configuration.update(id_token_signing_alg_values_supported=[]),
}


@pytest.mark.parametrize("tamper", SIGNATURES.values(), ids=SIGNATURES)
async def test_an_id_token_with_a_signature_that_is_not_right(
    client: AsyncClient, company: FakeProvider, tamper: Tamper
) -> None:
    tamper(company)
    assert error_of(await sign_in(client, company)) == "invalid_response"
    assert not is_logged_in(client)


def userinfo_of_another(company: FakeProvider) -> None:
    company.claims = {"email": None}
    company.responses["/userinfo"] = httpx.Response(200, json=company.person | {"sub": "43"})


def token_that_is_no_header(company: FakeProvider) -> None:
    company.claims, company.access_token = {"email": None}, "\N{SNOWMAN}"


def answer(path: str, response: httpx.Response) -> Tamper:
    return lambda company: company.responses.update({path: response})


NESTED = b'{"x":' * 40_000 + b"1" + b"}" * 40_000
TOKENS: Any = {"access_token": "x"}
RESPONSES: dict[str, Tamper] = {
    "a code that was used": answer("/token", httpx.Response(400, json={"error": "invalid_grant"})),
    "no ID token": answer("/token", httpx.Response(200, json=TOKENS)),
    "an ID token that is none": answer("/token", httpx.Response(200, json=TOKENS | {"id_token": "a.b.c"})),
    "an ID token that is no text": answer("/token", httpx.Response(200, json=TOKENS | {"id_token": {"a": 1}})),
    "tokens that are a list": answer("/token", httpx.Response(200, json=[1])),
    "HTML": answer("/token", httpx.Response(200, html="<p>")),
    "a huge response": lambda company: company.more_tokens.update(x="x" * requests.MAX_SIZE),
    "a nested response": answer("/token", httpx.Response(200, content=NESTED)),
    "a redirect": answer("/token", httpx.Response(307, headers={"Location": "http://169.254.169.254/"})),
    "keys that are none": answer("/keys", httpx.Response(200, json={"keys": [{"kid": "1", "kty": "EC"}]})),
    "keys that are text": answer("/keys", httpx.Response(200, json={"keys": "x"})),
    "keys elsewhere": answer("/keys", httpx.Response(302, headers={"Location": "https://evil.example/"})),
    "userinfo of somebody else": userinfo_of_another,
    "an access token that no header can have": token_that_is_no_header,
}


@pytest.mark.parametrize("tamper", RESPONSES.values(), ids=RESPONSES)
async def test_a_response_that_is_not_right(client: AsyncClient, company: FakeProvider, tamper: Tamper) -> None:
    tamper(company)
    assert error_of(await sign_in(client, company)) == "invalid_response"
    assert not is_logged_in(client)


CONFIGURATIONS: dict[str, Any] = {
    "of another issuer": {"issuer": "https://evil.example"},
    "without a token endpoint": {"token_endpoint": None},
    "with an endpoint that is no text": {"jwks_uri": ["https://login.example/keys"]},
    "with an endpoint that is no web address": {"token_endpoint": "file:///etc/passwd"},
    "with somebody in an endpoint": {"token_endpoint": "https://login.example@evil.example/"},
}


@pytest.mark.parametrize("change", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
async def test_a_configuration_that_is_not_right(
    client: AsyncClient, company: FakeProvider, change: dict[str, Any]
) -> None:
    company.configuration |= change
    assert await begin(client) == f"{PAGE}#error=invalid_response"


async def test_what_is_not_right_is_not_kept(
    client: AsyncClient, company: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy's `200 {}` for a minute must not keep everybody out for an hour."""
    monkeypatch.setattr(discovery, "PAUSE", 0)
    company.responses["/.well-known/openid-configuration"] = httpx.Response(200, json={})
    company.responses["/keys"] = httpx.Response(200, json={})
    assert error_of(await begin(client)) == "invalid_response"
    del company.responses["/.well-known/openid-configuration"]
    assert error_of(await sign_in(client, company)) == "invalid_response"
    del company.responses["/keys"]
    assert await sign_in(client, company) == PAGE


def test_secrets_go_only_where_nobody_reads_along(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_safe("http://keycloak:8080/token")
    monkeypatch.setitem(vars(settings), "environment", "production")
    assert is_safe("https://login.example/token")
    for url in ("http://login.example/token", "https:///token", "https://x@login.example/token", "ftp://login.example"):
        assert not is_safe(url)


async def test_the_issuer_of_the_response_is_checked(client: AsyncClient, company: FakeProvider) -> None:
    """RFC 9207: otherwise a provider could have us bring it another provider's code (mix-up)."""
    for iss in ("https://evil.example", "", "https://login.example/"):
        company.answer = {"iss": iss}
        assert error_of(await sign_in(client, company)) == "invalid_response"
    assert "/token" not in company.requests  # no code went anywhere
    company.configuration["authorization_response_iss_parameter_supported"] = False
    company.answer = {"iss": ""}
    discovery._documents.clear()
    assert await sign_in(client, company) == PAGE
    company.answer = {"iss": "https://evil.example"}
    assert error_of(await sign_in(client, company)) == "invalid_response"


async def test_a_code_of_another_provider_goes_to_no_other(
    client: AsyncClient, company: FakeProvider, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mix-up itself: a hostile provider sends the browser on to an honest one, and back to its own callback."""
    hostile = network.add(FakeProvider("https://hostile.example"))
    given = sign_in_settings.sign_in["company"].model_copy(update={"issuer": hostile.issuer})
    monkeypatch.setitem(sign_in_settings.sign_in, "hostile", given)
    location = await begin(client, "hostile")
    honest = company.authorize(location.replace("https://hostile.example", "https://login.example"))
    assert error_of((await come_back(client, honest, "hostile")).headers["Location"]) == "invalid_response"
    assert "/token" not in hostile.requests


async def test_a_new_key_is_found_and_nobody_makes_us_look_again_and_again(
    client: AsyncClient, company: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = time.time()
    monkeypatch.setattr(time, "time", lambda: clock)
    assert await sign_in(client, company) == PAGE
    clock += discovery.MAX_AGE_WITHOUT_KEY + 1
    company.key = ECKey.generate_key("P-256", {"kid": "2", "use": "sig"})
    company.header = {"kid": "2"}
    assert await sign_in(client, company) == PAGE
    assert company.requests.count("/keys") == 2
    company.header = {"kid": "3"}
    for _ in range(5):
        assert error_of(await sign_in(client, company)) == "invalid_response"
    assert company.requests.count("/keys") == 2  # it was fetched a moment ago


async def test_without_a_key_id_only_a_single_key_is_meant(client: AsyncClient, company: FakeProvider) -> None:
    company.header = {"kid": None}
    assert await sign_in(client, company) == PAGE
    others = [company.key.as_dict(private=False), ECKey.generate_key("P-256").as_dict(private=False)]
    company.responses["/keys"] = httpx.Response(200, json={"keys": others})
    discovery._documents.clear()
    assert error_of(await sign_in(client, company)) == "invalid_response"


class Drip(httpx.AsyncByteStream):
    """A byte now and then, for ever."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token"])
async def test_a_slow_response_is_given_up(
    client: AsyncClient, company: FakeProvider, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(requests, "TIMEOUT", 0.05)
    company.responses[path] = httpx.Response(200, stream=Drip())
    location = await begin(client)
    if "#" not in location:
        location = (await come_back(client, company.authorize(location))).headers["Location"]
    assert error_of(location) == "temporarily_unavailable"


async def test_nothing_is_unpacked(client: AsyncClient, company: FakeProvider) -> None:
    """A few KB of gzip can be many MB."""
    packed = gzip.compress(json.dumps(company.configuration).encode())
    headers = {"Content-Encoding": "gzip"}
    company.responses["/.well-known/openid-configuration"] = httpx.Response(
        200, headers=headers, stream=httpx.ByteStream(packed)
    )
    assert error_of(await begin(client)) == "invalid_response"


async def test_a_callback_with_junk_is_refused(client: AsyncClient, company: FakeProvider) -> None:
    answer = company.authorize(await begin(client))
    for junk in ({}, {"state": "x"}, {"state": "\N{SNOWMAN}"}, {"code": answer["code"]}):
        assert error_of((await come_back(client, junk)).headers["Location"]) == "invalid_state"
    response = await client.get("/auth/providers/company/callback", params={"state": "x" * 129})
    assert response.status_code == 422
    for cookie in ("x", "gAAAAA", "gAAAAABp" + "x" * 200, "%00"):
        client.cookies.set(COOKIE, cookie, "api.example.com")
        assert error_of((await come_back(client, answer)).headers["Location"]) == "invalid_state"
        client.cookies.clear()
    assert (await client.get("/auth/providers/nobody/callback")).status_code == 404
