"""An OpenID Connect provider, as good or as hostile as a test wants it, behind httpx's transport."""

import asyncio
import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from app.features.sign_in.flow import challenge_of
from app.tests.helpers import Json


class FakeProvider:
    """Somebody is always logged in there: `person`. What `claims` has replaces that of ID tokens; None takes it out."""

    def __init__(self, issuer: str = "https://login.example", client_id: str = "us") -> None:
        self.issuer, self.client_id = issuer, client_id
        self.key = ECKey.generate_key("P-256", {"kid": "1", "use": "sig"})
        self.signer: Callable[[bytes], bytes] = self.sign
        self.person: Json = {"sub": "42", "email": "ana@example.com", "email_verified": True}
        self.subject: Callable[[], str] | None = None
        self.claims: Json = {}
        self.header: Json = {}
        self.access_token = "an access token"
        self.more_tokens: Json = {}
        self.answer: Json = {}  # parameters of the callback
        self.configuration: Json = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/keys",
            "userinfo_endpoint": f"{issuer}/userinfo",
            "id_token_signing_alg_values_supported": ["ES256"],
            "authorization_response_iss_parameter_supported": True,
        }
        self.responses: dict[str, httpx.Response] = {}  # instead of its own, by their paths
        self.requests: list[str] = []  # their paths
        self._codes: dict[str, dict[str, str]] = {}

    def authorize(self, location: str) -> dict[str, str]:
        """What a browser that was sent here brings back."""
        url = urlsplit(location)
        asked = dict(parse_qsl(url.query))
        assert f"{url.scheme}://{url.netloc}{url.path}" == self.configuration["authorization_endpoint"]
        assert (asked["response_type"], asked["client_id"]) == ("code", self.client_id)
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe()
        self._codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.issuer, "session_state": "x"} | self.answer

    async def respond(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.requests.append(path)
        await asyncio.sleep(0)  # as the network does, so that others have their turn
        if path in self.responses:
            return self.responses[path]
        match path.removeprefix(urlsplit(self.issuer).path.rstrip("/")):
            case "/.well-known/openid-configuration":
                return httpx.Response(200, json=self.configuration)
            case "/keys":
                return httpx.Response(200, json={"keys": [self.key.as_dict(private=False)]})
            case "/token":
                return self._tokens(request)
            case "/userinfo":
                assert request.headers["Authorization"] == "Bearer an access token"
                return httpx.Response(200, json=self.person)
        return httpx.Response(404)

    def _tokens(self, request: httpx.Request) -> httpx.Response:
        form = {name: value for name, (value,) in parse_qs(request.content.decode()).items()}
        asked = self._codes.pop(form["code"], None)
        if "client_secret" in form:
            assert "Authorization" not in request.headers
            assert (form["client_id"], form["client_secret"]) == (self.client_id, "secret of the company")
        else:
            basic = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
            assert basic == f"{self.client_id}:secret%20of%20the%20company"
        if asked is None or form["redirect_uri"] != asked["redirect_uri"]:
            return httpx.Response(400, json={"error": "invalid_grant"})
        assert challenge_of(form["code_verifier"]) == asked["code_challenge"]
        tokens = {"access_token": self.access_token, "id_token": self.id_token(asked)}
        return httpx.Response(200, json=tokens | self.more_tokens)

    def id_token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": self.client_id,
            "exp": now + 300,
            "iat": now,
            "nonce": asked["nonce"],
            "at_hash": half_hash(self.access_token),
            **({"auth_time": now} if "max_age" in asked else {}),
            **self.person,
            **({"sub": self.subject()} if self.subject else {}),
        }
        claims = {name: value for name, value in (claims | self.claims).items() if value is not None}
        header = {"alg": "ES256", "kid": "1"} | self.header
        header = {name: value for name, value in header.items() if value is not None}
        signed = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
        return f"{signed}.{encoded(self.signer(signed.encode()))}"

    def sign(self, data: bytes, key: ECKey | None = None) -> bytes:
        return JWSRegistry.algorithms["ES256"].sign(data, key or self.key)


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def half_hash(text: str) -> str:
    return encoded(hashlib.sha256(text.encode()).digest()[:16])


class Network:
    """All that answers the application's requests, by its host."""

    def __init__(self) -> None:
        self.hosts: dict[str, Any] = {}

    def add(self, provider: FakeProvider) -> FakeProvider:
        self.hosts[urlsplit(provider.issuer).netloc] = provider
        return provider

    async def respond(self, request: httpx.Request) -> httpx.Response:
        if request.url.netloc.decode() not in self.hosts:
            raise httpx.ConnectError("nobody is there")
        response: httpx.Response = await self.hosts[request.url.netloc.decode()].respond(request)
        if not response.is_stream_consumed:
            return response
        # As from a socket: not read yet.
        stream = httpx.ByteStream(response.content)
        return httpx.Response(response.status_code, headers=response.headers, stream=stream)
