"""Tokens: plain functions, no HTTP, no database. Passwords are in passwords.py."""

import base64
import hashlib
import hmac
import json
import secrets
import struct
import time
import uuid
from functools import lru_cache
from typing import Final, NamedTuple

from jose import JOSEError, jwk, jws, jwt
from jose.backends.base import Key

from app.core.config import PROJECT, settings

ISSUER: Final[str] = PROJECT["name"]
AUDIENCE: Final = ISSUER
MAX_CLOCK_SKEW: Final = 30  # seconds between the clocks of two replicas


@lru_cache
def derive_key(secret_key: str, purpose: str) -> bytes:
    """32 bytes for one purpose, so that a MAC made for one is never valid for another (RFC 8725 section 3.8)."""
    return hmac.digest(secret_key.encode(), purpose.encode(), hashlib.sha256)


@lru_cache
def _access_keys(secret_keys: tuple[str, ...]) -> dict[str, Key]:
    """The keys of access tokens by their ids; the first one signs.

    SECRET_KEY itself signs access tokens, so that other services can verify them; everything else uses a derived key.
    """
    return {derive_key(key, "kid")[:6].hex(): jwk.construct(key, "HS256") for key in secret_keys}


class AccessClaims(NamedTuple):
    user_id: uuid.UUID
    session_id: uuid.UUID


def create_access_token(user_id: uuid.UUID, session_id: uuid.UUID, issued_at: int, expires_at: int) -> str:
    """An access token for one login session; times in Unix seconds."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(user_id),
        "sid": str(session_id),
        "iat": issued_at,
        "exp": expires_at,
        "jti": secrets.token_urlsafe(12),
    }
    key_id, key = next(iter(_access_keys(settings.secret_keys).items()))
    return jwt.encode(claims, key, "HS256", {"typ": "at+jwt", "kid": key_id})


@lru_cache(8)  # all tokens of a key share one header
def _keys_for(header: str, secret_keys: tuple[str, ...]) -> list[Key]:
    """The keys that may have signed a token with this header; none if it is not the header of an access token."""
    fields = jws.get_unverified_header(f"{header}..")
    if fields.get("typ") not in {"at+jwt", "application/at+jwt"} or "crit" in fields:
        return []
    keys = _access_keys(secret_keys)
    return [keys[fields["kid"]]] if "kid" in fields else list(keys.values())


def read_access_token(token: str) -> AccessClaims | None:
    """The claims of a token that was issued here and has not expired; None for anything else.

    python-jose checks the signature. The rest is checked here, as it would accept another kind of token, `crit`
    (RFC 7515 section 4.1.11), claims that are missing or of another type, and an `iat` in the future.
    """
    try:
        keys = _keys_for(token.partition(".")[0], settings.secret_keys)
        claims = json.loads(jws.verify(token, keys, ["HS256"]))  # type: ignore[arg-type] # only its stubs refuse a list
        if claims["iss"] != ISSUER or claims["aud"] != AUDIENCE or not isinstance(claims["jti"], str):
            return None
        times = claims["iat"], claims.get("nbf", 0), claims["exp"]
        if any(type(moment) is not int for moment in times):  # "1", 1.0 and true are not Unix seconds
            return None
        if not max(times[:2]) - MAX_CLOCK_SKEW <= time.time() < times[2]:
            return None
        return AccessClaims(uuid.UUID(claims["sub"]), uuid.UUID(claims["sid"]))
    # For null, lists, Infinity and deep nesting, python-jose raises errors other than JOSEError.
    except (JOSEError, ValueError, TypeError, AttributeError, LookupError, RecursionError):
        return None


# A refresh token holds its session's id, its number among that session's tokens, and a MAC of both.
_REFRESH_BODY: Final = struct.Struct(">16sI")


class RefreshClaims(NamedTuple):
    session_id: uuid.UUID
    generation: int  # how many tokens the session had before this one


def create_refresh_token(session_id: uuid.UUID, generation: int) -> str:
    body = _REFRESH_BODY.pack(session_id.bytes, generation)
    return base64.urlsafe_b64encode(body + _mac(body, settings.secret_keys[0])).decode()


def _mac(body: bytes, secret_key: str) -> bytes:
    return hmac.digest(derive_key(secret_key, "refresh token"), body, hashlib.sha256)


def read_refresh_token(token: str) -> RefreshClaims | None:
    """The claims of a genuine token, spent or not; None for one that was never issued.

    The database stores only a token's number: nobody can steal a token from it, and every earlier token of a session
    is recognised for as long as the session lives (RFC 9700 section 4.14.2).
    """
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except ValueError:
        return None
    body, mac = raw[: _REFRESH_BODY.size], raw[_REFRESH_BODY.size :]
    if not any(hmac.compare_digest(mac, _mac(body, key)) for key in settings.secret_keys):
        return None
    session_id, generation = _REFRESH_BODY.unpack(body)
    return RefreshClaims(uuid.UUID(bytes=session_id), generation)
