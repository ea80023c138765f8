"""The keys of access tokens. Each has an id and one algorithm, whatever a token says of either."""

import base64
import hashlib
import json
from functools import lru_cache
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jose import jwk
from jose.backends.base import Key

MIN_RSA_BITS: Final = 2048  # RFC 7518 section 3.3
_THUMBPRINT_MEMBERS: Final = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}  # in their order


class AccessKey(NamedTuple):
    id: str
    algorithm: str
    signer: Key
    verifier: Key
    public: dict[str, str] | None = None  # as a JWK (RFC 7517), for those who verify our tokens


def shared_key(key_id: str, secret: str) -> AccessKey:
    """An HS256 key: a service that can verify with it can sign with it, too."""
    key = jwk.construct(secret, "HS256")
    return AccessKey(key_id, "HS256", key, key)


@lru_cache
def private_key(pem: str) -> AccessKey:
    r"""An ES256 or RS256 key from PEM with real newlines, or `\n` in their place. Raises ValueError for any other."""
    try:
        private = load_pem_private_key(pem.replace("\\n", "\n").encode(), password=None)
    except (ValueError, TypeError):  # TypeError: it has a passphrase
        raise ValueError("must be a private key in PEM, without a passphrase; `make jwt-key` prints one") from None
    if isinstance(private, EllipticCurvePrivateKey) and isinstance(private.curve, SECP256R1):
        algorithm = "ES256"
    elif isinstance(private, RSAPrivateKey) and private.key_size >= MIN_RSA_BITS:
        algorithm = "RS256"
    else:
        raise ValueError(f"must be an EC key on the curve P-256, or an RSA key of {MIN_RSA_BITS} bits or more")
    verifier = jwk.construct(private.public_key(), algorithm)  # type: ignore[arg-type] # only its stubs refuse it
    public = {name: str(value) for name, value in verifier.to_dict().items()}
    key_id = _thumbprint(public)
    signer = jwk.construct(private, algorithm)  # type: ignore[arg-type]
    return AccessKey(key_id, algorithm, signer, verifier, public | {"kid": key_id, "use": "sig"})


def _thumbprint(public: dict[str, str]) -> str:
    """RFC 7638."""
    members = {name: public[name] for name in _THUMBPRINT_MEMBERS[public["kty"]]}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
