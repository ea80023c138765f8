"""An authenticator and its browser, in software, and everything that either could get wrong."""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from fido2 import cbor

from app.tests.helpers import Json

ORIGIN = "http://localhost:8000"
PRESENT, VERIFIED, BACKED_UP, ATTESTED, EXTENDED = 1, 4, 16, 64, 128  # flags; WebAuthn section 6.1

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
        self.public_key = cbor.encode(cose(self.key))
        self.statement = cbor.encode({})
        self.extensions = b""
        self.id = secrets.token_bytes(32)
        self.user = b""
        self.count = 0
        self.step = 1  # 0: doesn't count, as synced passkeys
        self.flags = PRESENT | VERIFIED
        self.rp_id = "localhost"
        self.client_data: Json = {"origin": ORIGIN, "crossOrigin": False}
        self.spell: Callable[[str], str] = lambda challenge: challenge
        self.written: Callable[[str], str] = lambda client_data: client_data

    def create(self, options: Json, **more: str) -> Json:
        """RegistrationResponseJSON for these options."""
        self.user = decoded(options["user"]["id"])
        data = self._data(bytes(16) + len(self.id).to_bytes(2) + self.id + self.public_key)
        members = {"fmt": cbor.encode("none"), "attStmt": self.statement, "authData": cbor.encode(data)}
        attestation = b"\xa3" + b"".join(cbor.encode(name) + value for name, value in members.items())
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
        client_data = {"type": kind, "challenge": self.spell(options["challenge"])} | self.client_data
        return self.written(json.dumps(client_data)).encode()

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
