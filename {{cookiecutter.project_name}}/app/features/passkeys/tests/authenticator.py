"""An authenticator and its browser, in software, and everything that either could get wrong."""

import base64
import hashlib
import json
import secrets
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from httpx import AsyncClient, Response

from app.tests.helpers import Json

ORIGIN = "http://localhost:8000"
PRESENT, VERIFIED, ATTESTED, EXTENDED = 1, 4, 64, 128  # flags; WebAuthn section 6.1

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def decoded(value: str) -> bytes:
    return base64.urlsafe_b64decode(value + "==")


def cose(key: Key) -> dict[int, Any]:
    """The public half as RFC 9053 has it."""
    public: Any = key.public_key()
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return {1: 1, 3: -8, -1: 6, -2: public.public_bytes_raw()}
    numbers = public.public_numbers()
    if isinstance(key, rsa.RSAPrivateKey):
        return {1: 3, 3: -257, -1: numbers.n.to_bytes(key.key_size // 8), -2: numbers.e.to_bytes(3)}
    return {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}


class Authenticator:
    """One passkey. Attributes can be changed, to be another browser or authenticator."""

    def __init__(self, key: Key | None = None) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        # In CBOR, so that they can be anything.
        self.public_key = cbor2.dumps(cose(self.key))
        self.statement = cbor2.dumps({})
        self.extensions = b""
        self.id = secrets.token_bytes(32)
        self.user = b""
        self.count = 0
        self.step = 1  # 0: doesn't count, as synced passkeys
        self.flags = PRESENT | VERIFIED
        self.rp_id = "localhost"
        self.client_data: Json = {"origin": ORIGIN, "crossOrigin": False}

    def create(self, options: Json, **more: str) -> Json:
        """RegistrationResponseJSON for these options."""
        self.user = decoded(options["user"]["id"])
        data = self._data(bytes(16) + len(self.id).to_bytes(2) + self.id + self.public_key)
        members = {"fmt": cbor2.dumps("none"), "attStmt": self.statement, "authData": cbor2.dumps(data)}
        attestation = b"\xa3" + b"".join(cbor2.dumps(name) + value for name, value in members.items())
        made = self._credential(
            clientDataJSON=base64url(self._client_data("webauthn.create", options)),
            attestationObject=base64url(attestation),
            transports=["internal"],
        )
        return made | more

    def get(self, options: Json, **members: str) -> Json:
        """AuthenticationResponseJSON for these options."""
        self.count += self.step
        data, client_data = self._data(), self._client_data("webauthn.get", options)
        response = {
            "clientDataJSON": base64url(client_data),
            "authenticatorData": base64url(data),
            "signature": base64url(self._sign(data + hashlib.sha256(client_data).digest())),
            "userHandle": base64url(self.user),
        }
        return self._credential(**(response | members))

    def _data(self, attested: bytes = b"") -> bytes:
        flags = self.flags | (ATTESTED if attested else 0) | (EXTENDED if self.extensions else 0)
        head = hashlib.sha256(self.rp_id.encode()).digest() + flags.to_bytes() + self.count.to_bytes(4)
        return head + attested + self.extensions

    def _client_data(self, kind: str, options: Json) -> bytes:
        return json.dumps({"type": kind, "challenge": options["challenge"]} | self.client_data).encode()

    def _credential(self, **response: object) -> Json:
        members = {"type": "public-key", "authenticatorAttachment": "platform", "clientExtensionResults": {}}
        return members | {"id": base64url(self.id), "rawId": base64url(self.id), "response": response}

    def _sign(self, message: bytes) -> bytes:
        match self.key:
            case ed25519.Ed25519PrivateKey():
                return self.key.sign(message)
            case rsa.RSAPrivateKey():
                return self.key.sign(message, padding.PKCS1v15(), SHA256())
            case _:
                return self.key.sign(message, ec.ECDSA(SHA256()))


async def options_for(client: AsyncClient, headers: dict[str, str]) -> Json:
    response = await client.post("/auth/passkeys/options", headers=headers)
    assert response.status_code == 200, response.text
    options: Json = response.json()
    return options


async def send(client: AsyncClient, headers: dict[str, str], credential: Json) -> Response:
    return await client.post("/auth/passkeys", json=credential, headers=headers)


async def register(client: AsyncClient, headers: dict[str, str], passkey: Authenticator, **members: str) -> Json:
    body = passkey.create(await options_for(client, headers), **members)
    response = await send(client, headers, body)
    assert response.status_code == 201, response.text
    registered: Json = response.json()
    return registered


async def login_options(client: AsyncClient) -> Json:
    response = await client.post("/auth/passkeys/login/options")
    assert response.status_code == 200
    options: Json = response.json()
    return options


async def use(client: AsyncClient, passkey: Authenticator, **members: str) -> Response:
    """Log in."""
    return await client.post("/auth/passkeys/login", json=passkey.get(await login_options(client), **members))


async def read(client: AsyncClient, headers: dict[str, str]) -> list[Json]:
    """The passkeys that an account lists."""
    response = await client.get("/auth/second-factor", headers=headers)
    assert response.status_code == 200
    passkeys: list[Json] = response.json()["passkeys"]
    return passkeys
