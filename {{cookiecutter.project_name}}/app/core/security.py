"""Tokens: plain functions, no HTTP, no database. Passwords are in passwords.py."""

import base64
import hashlib
import hmac
import json
import math
import secrets
import struct
import time
import uuid
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from jose import JOSEError, jws, jwt
from jose.backends.base import Key

from app.core.config import PROJECT, settings
from app.core.keys import AccessKey, private_key, shared_key

ALGORITHMS: Final = ["HS256", "ES256", "RS256"]  # of any key; each key has one
MAX_CLOCK_SKEW: Final = 30  # seconds between the clocks of two replicas
MAX_ACCESS_TOKEN_LENGTH: Final = 8192  # ours have a tenth of that; a header of 1 MiB would take 60 ms to read


@lru_cache
def derive_key(secret_key: str, purpose: str) -> bytes:
    """32 bytes for one purpose, so that a MAC for this purpose is valid for no other (RFC 8725 section 3.8)."""
    return hmac.digest(secret_key.encode(), purpose.encode(), hashlib.sha256)


@lru_cache
def _access_keys(secret_keys: tuple[str, ...], private_keys: tuple[str, ...]) -> dict[str, AccessKey]:
    """The keys of access tokens by their ids; the first one signs. With private keys, no secret verifies any more.

    SECRET_KEY itself signs access tokens, so that services which share it can verify them; all else uses derived keys.
    """
    if private_keys:
        keys = [private_key(pem) for pem in private_keys]
    else:
        keys = [shared_key(derive_key(key, "kid")[:6].hex(), key) for key in secret_keys]
    return {key.id: key for key in keys}


def public_keys() -> list[dict[str, str]]:
    """The public halves of the keys of access tokens, as JWKs; none of a secret."""
    keys = _access_keys(settings.secret_keys, settings.private_keys).values()
    return [key.public for key in keys if key.public]


def issuer() -> str:
    """The issuer of access tokens, which is their audience, too: this API."""
    return settings.public_url or str(PROJECT["name"])


def mac(purpose: str, message: bytes) -> bytes:
    return _mac(purpose, message, settings.secret_keys[0])


def is_mac(purpose: str, message: bytes, claimed: bytes) -> bool:
    """Whether it is the MAC of this message for this purpose, by SECRET_KEY or one of its fallbacks."""
    return any(hmac.compare_digest(claimed, _mac(purpose, message, key)) for key in settings.secret_keys)


def _mac(purpose: str, message: bytes, secret_key: str) -> bytes:
    return hmac.digest(derive_key(secret_key, purpose), message, hashlib.sha256)


CLIENT_ID: Final = str(PROJECT["name"])  # all clients that people log in with are one


class AccessClaims(NamedTuple):
    user_id: uuid.UUID
    session_id: uuid.UUID
    client_id: str | None = None
    scopes: frozenset[str] | None = None  # None: all that its account has


def create_access_token(
    user_id: uuid.UUID, session_id: uuid.UUID, issued_at: int, expires_at: int, more: Mapping[str, Any] | None = None
) -> str:
    """An access token for one login session, with these and maybe more claims; times in Unix seconds."""
    claims = {
        "client_id": CLIENT_ID,  # RFC 9068 wants one
        **(more or {}),
        "iss": issuer(),
        "aud": issuer(),
        "sub": str(user_id),
        "sid": str(session_id),
        "iat": issued_at,
        "exp": expires_at,
        "jti": secrets.token_urlsafe(12),
    }
    key = next(iter(_access_keys(settings.secret_keys, settings.private_keys).values()))
    return jwt.encode(claims, key.signer, key.algorithm, {"typ": "at+jwt", "kid": key.id})


@lru_cache(8)  # all tokens of a key share one header
def _keys_for(header: str, secret_keys: tuple[str, ...], private_keys: tuple[str, ...]) -> list[Key]:
    """The keys that may have signed a token with this header; none if it is not the header of an access token.

    The header chooses among our keys and brings none along; a key verifies with its own algorithm only.
    """
    fields = jws.get_unverified_header(f"{header}..")
    if fields.get("typ") not in {"at+jwt", "application/at+jwt"} or "crit" in fields:
        return []
    keys = _access_keys(secret_keys, private_keys)
    chosen = [keys[fields["kid"]]] if "kid" in fields else keys.values()
    return [key.verifier for key in chosen if key.algorithm == fields["alg"]]


class _GenuineClaims(NamedTuple):
    claims: AccessClaims
    good_from: int
    expires_at: int


def read_access_token(token: str, *, expired: bool = False) -> AccessClaims | None:
    """The claims of a token that was issued here and has not expired, unless it may have; None for anything else."""
    if len(token) > MAX_ACCESS_TOKEN_LENGTH:
        return None
    try:
        genuine = _read_genuine(token, settings.secret_keys, settings.private_keys, issuer())
    # For null, lists, Infinity and deep nesting, python-jose raises errors other than JOSEError.
    except (JOSEError, ValueError, TypeError, AttributeError, LookupError, RecursionError):
        return None
    is_good = genuine.good_from - MAX_CLOCK_SKEW <= time.time() < (math.inf if expired else genuine.expires_at)
    return genuine.claims if is_good else None


# A client sends the same token with each request; checking its signature is a sixth of the smallest of them. Only
# genuine tokens get in, at most a few MB of them. The keys are arguments, too: removing one ends its tokens.
@lru_cache(2048)
def _read_genuine(
    token: str, secret_keys: tuple[str, ...], private_keys: tuple[str, ...], issuer: str
) -> _GenuineClaims:
    """The claims of a token that was issued here. Raises one of many errors for any other.

    python-jose checks the signature. The rest is checked here: python-jose would accept another kind of token, `crit`
    (RFC 7515 section 4.1.11), claims that are missing or of another type, and an `iat` in the future.
    """
    keys = _keys_for(token.partition(".")[0], secret_keys, private_keys)
    claims = json.loads(jws.verify(token, keys, ALGORITHMS))  # type: ignore[arg-type] # only its stubs refuse a list
    if not claims["iss"] == claims["aud"] == issuer or not isinstance(claims["jti"], str):
        raise ValueError("issued elsewhere")
    times = claims["iat"], claims.get("nbf", 0), claims["exp"]
    if any(type(moment) is not int for moment in times):  # "1", 1.0 and true are not Unix seconds
        raise ValueError("times of another type")
    scopes = frozenset(claims["scope"].split(" ")) if "scope" in claims else None
    read = AccessClaims(uuid.UUID(claims["sub"]), uuid.UUID(claims["sid"]), claims.get("client_id"), scopes)
    return _GenuineClaims(read, max(times[:2]), times[2])


# A refresh token holds its session's id, its number among that session's tokens, and a MAC of both.
_REFRESH_BODY: Final = struct.Struct(">16sI")


class RefreshClaims(NamedTuple):
    session_id: uuid.UUID
    generation: int  # how many tokens the session had before this one


def create_refresh_token(session_id: uuid.UUID, generation: int) -> str:
    body = _REFRESH_BODY.pack(session_id.bytes, generation)
    return base64.urlsafe_b64encode(body + mac("refresh token", body)).decode()


def read_refresh_token(token: str) -> RefreshClaims | None:
    """The claims of a genuine token, spent or not; None for one that was never issued.

    The database stores only a token's number: nobody can steal a token from it, and every earlier token of a session
    is recognised for as long as the session lives (RFC 9700 section 4.14.2).
    """
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except ValueError:
        return None
    body, claimed = raw[: _REFRESH_BODY.size], raw[_REFRESH_BODY.size :]
    if not is_mac("refresh token", body, claimed):
        return None
    session_id, generation = _REFRESH_BODY.unpack(body)
    return RefreshClaims(uuid.UUID(bytes=session_id), generation)
