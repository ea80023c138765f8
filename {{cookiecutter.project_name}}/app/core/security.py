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
from typing import Final, NamedTuple, TypeVar

from jose import JOSEError, jwk, jws, jwt
from jose.backends.base import Key

from app.core.config import PROJECT, settings

T = TypeVar("T")


def derive_key(secret_key: str, purpose: str) -> bytes:
    """32 bytes for one purpose, so that nothing made for one purpose passes for another (RFC 8725 section 3.8)."""
    return hmac.digest(secret_key.encode(), purpose.encode(), hashlib.sha256)


# SECRET_KEY itself signs access tokens, so that other services can verify them; all else has a derived key.
_SECRET_KEYS: Final = [key.get_secret_value() for key in (settings.secret_key, *settings.secret_key_fallbacks)]
_ACCESS_KEYS: Final = {derive_key(key, "kid")[:6].hex(): jwk.construct(key, "HS256") for key in _SECRET_KEYS}
_REFRESH_KEYS: Final = [derive_key(key, "refresh token") for key in _SECRET_KEYS]


ISSUER: Final[str] = PROJECT["name"]
AUDIENCE: Final = ISSUER
MAX_CLOCK_SKEW: Final = 30  # seconds between the clocks of two replicas
_KEY_ID, _SIGNING_KEY = next(iter(_ACCESS_KEYS.items()))


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
    return jwt.encode(claims, _SIGNING_KEY, "HS256", {"typ": "at+jwt", "kid": _KEY_ID})


@lru_cache(8)  # all tokens of a key have one header: to read it once makes a small request 2 % cheaper
def _keys_for(header: str) -> list[Key]:
    """The keys that may have signed a token with this header; none if it is not the header of an access token."""
    fields = jws.get_unverified_header(f"{header}..")
    if fields.get("typ") not in {"at+jwt", "application/at+jwt"} or "crit" in fields:
        return []
    return [_ACCESS_KEYS[fields["kid"]]] if "kid" in fields else list(_ACCESS_KEYS.values())


def read_access_token(token: str) -> AccessClaims | None:
    """Whose token it is, if it was issued here and has not expired; None for anything else, whatever it is.

    python-jose checks the signature. The rest is checked here, as it would let through another kind of token, `crit`
    (RFC 7515 section 4.1.11), claims that are missing or of another type, and an `iat` to come.
    """
    try:
        # It takes a list of keys; only its stubs don't know.
        claims = json.loads(jws.verify(token, _keys_for(token.partition(".")[0]), ["HS256"]))  # type: ignore[arg-type]
        if claims["iss"] != ISSUER or claims["aud"] != AUDIENCE or not isinstance(claims["jti"], str):
            return None
        times = claims["iat"], claims.get("nbf", 0), claims["exp"]
        if any(type(moment) is not int for moment in times):  # "1", 1.0 and true are not Unix seconds
            return None
        if not max(times[:2]) - MAX_CLOCK_SKEW <= time.time() < times[2]:
            return None
        return AccessClaims(uuid.UUID(claims["sub"]), uuid.UUID(claims["sid"]))
    # python-jose trips over null, lists, Infinity and deep nesting where it should refuse them.
    except (JOSEError, ValueError, TypeError, AttributeError, LookupError, RecursionError):
        return None


_REFRESH_BODY: Final = struct.Struct(">16sI")


class RefreshClaims(NamedTuple):
    session_id: uuid.UUID
    generation: int  # how many tokens the session had before this one


def create_refresh_token(session_id: uuid.UUID, generation: int) -> str:
    body = _REFRESH_BODY.pack(session_id.bytes, generation)
    return base64.urlsafe_b64encode(body + hmac.digest(_REFRESH_KEYS[0], body, hashlib.sha256)).decode()


def read_refresh_token(token: str) -> RefreshClaims | None:
    """What a genuine token says, spent or not; None for one that was never issued.

    Nothing is stored of a token but its number: there is nothing to steal from the database, and every earlier token
    of a session is recognised for as long as the session lives (RFC 9700 section 4.14.2).
    """
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except ValueError:
        return None
    body, seal = raw[: _REFRESH_BODY.size], raw[_REFRESH_BODY.size :]
    if not any(hmac.compare_digest(seal, hmac.digest(key, body, hashlib.sha256)) for key in _REFRESH_KEYS):
        return None
    session_id, generation = _REFRESH_BODY.unpack(body)
    return RefreshClaims(uuid.UUID(bytes=session_id), generation)
