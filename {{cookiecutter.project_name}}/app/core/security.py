"""Passwords and tokens: plain functions, no HTTP, no database."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import secrets
import struct
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

from jose import JOSEError, jwk, jws, jwt
from jose.backends.base import Key
from passlib.context import CryptContext
from passlib.exc import PasswordValueError

from app.core.config import PROJECT, settings

T = TypeVar("T")

# --- Passwords ---

# bcrypt alone stops at 72 bytes and at NUL; bcrypt_sha256 hands it a digest, so every character counts. Hashes with
# other rounds, or of plain bcrypt from an older system, still verify and are renewed at the next login.
_passwords = CryptContext(
    ["bcrypt_sha256", "bcrypt"], deprecated="auto", bcrypt_sha256__rounds=settings.security_bcrypt_rounds
)
# Well-formed, but no password has it: checking against it takes as long as against a real one.
_NOBODYS_HASH: Final = f"$bcrypt-sha256$v=2,t=2b,r={settings.security_bcrypt_rounds}${'.' * 22}${'.' * 31}"
# bcrypt releases the GIL: in threads of its own it uses every core and, stepping back, never holds up the event loop.
PASSWORD_THREADS: Final = os.cpu_count() or 1


def _step_back() -> None:
    if sys.platform == "linux":  # where a thread has a priority of its own
        os.setpriority(os.PRIO_PROCESS, 0, 10)


PASSWORD_TIMEOUT: Final = 30  # seconds
_password_threads = ThreadPoolExecutor(PASSWORD_THREADS, "password", _step_back)


class PasswordCheck(NamedTuple):
    is_correct: bool
    renewed_hash: str | None  # to be stored in place of one with other rounds or an older scheme


async def hash_password(password: str) -> str:
    """Hash a password of at most 4096 characters; ValueError for a longer one or a lone surrogate."""
    return await _in_password_thread(_passwords.hash, password)


async def check_password(password: str, hashed_password: str | None) -> PasswordCheck:
    """Check a password; without a hash to check against the answer is no, after the same time.

    Raises ValueError for a password that `hash_password` refuses and for a hash of an unknown scheme.
    """
    return await _in_password_thread(_check_password, password, hashed_password or _NOBODYS_HASH)


def _check_password(password: str, hashed_password: str) -> PasswordCheck:
    try:
        return PasswordCheck(*_passwords.verify_and_update(password, hashed_password))
    except PasswordValueError:  # plain bcrypt takes no NUL, so nobody can have set this one; say so after the same time
        return PasswordCheck(_passwords.verify(password, _NOBODYS_HASH), None)


async def _in_password_thread(function: Callable[..., T], *arguments: str) -> T:
    """Raises TimeoutError when its turn doesn't come within PASSWORD_TIMEOUT."""
    async with asyncio.timeout(PASSWORD_TIMEOUT):
        return await asyncio.get_running_loop().run_in_executor(_password_threads, function, *arguments)


# --- Keys ---


def derive_key(secret_key: str, purpose: str) -> bytes:
    """32 bytes for one purpose, so that nothing made for one purpose passes for another (RFC 8725 section 3.8)."""
    return hmac.digest(secret_key.encode(), purpose.encode(), hashlib.sha256)


# SECRET_KEY itself signs access tokens, so that other services can verify them; all else has a derived key.
_SECRET_KEYS: Final = [key.get_secret_value() for key in (settings.secret_key, *settings.secret_key_fallbacks)]
_ACCESS_KEYS: Final = {derive_key(key, "kid")[:6].hex(): jwk.construct(key, "HS256") for key in _SECRET_KEYS}
_REFRESH_KEYS: Final = [derive_key(key, "refresh token") for key in _SECRET_KEYS]


# --- Access tokens: made as RFC 9068 says, verified as RFC 8725 says ---

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


# --- Refresh tokens: which session, which of its tokens, and a seal that only SECRET_KEY can make ---

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
