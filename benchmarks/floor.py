"""The floor: what the same responses cost without any framework. Raw ASGI, asyncpg, and the same HS256 check.

It uses the generated project's tables, sends the statements that the project sends, and returns the same bytes.
It leaves out what the project adds: validation, documentation, middleware, rate limits, an ORM.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import secrets
import struct
import time
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import asyncpg
import bcrypt

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Response = tuple[int, Any]

SECRET_KEY = os.environ["SECRET_KEY"].encode()
ISSUER = "floor"
ACCESS_SECONDS, REFRESH_SECONDS = 15 * 60, 28 * 24 * 3600
REFRESH_BODY = struct.Struct(">16sI")
PASSWORD_THREADS = ThreadPoolExecutor(os.cpu_count() or 1)

CALLER = """
    SELECT users.id, users.email, users.is_superuser, login_sessions.id
    FROM users JOIN login_sessions ON login_sessions.user_id = users.id
    WHERE login_sessions.id = $1 AND login_sessions.expires_at > now() AND users.id = $2 AND users.is_active"""
PETS = "SELECT pet_name, id, user_id FROM pets WHERE user_id = $1 ORDER BY pet_name, id LIMIT 51"
CREATE_PET = "INSERT INTO pets (id, user_id, pet_name) VALUES ($1, $2, $3)"
REFRESH = """
    UPDATE login_sessions SET generation = generation + 1, last_used_at = now(), expires_at = $1
    FROM users
    WHERE login_sessions.id = $2 AND generation = $3 AND expires_at > now()
      AND login_sessions.user_id = users.id AND users.is_active
    RETURNING login_sessions.user_id"""
LOGIN = "SELECT id, hashed_password FROM users WHERE lower(email) = $1 AND is_active"
BEGIN_SESSION = "INSERT INTO login_sessions (id, user_id, expires_at) VALUES ($1, $2, $3)"

pool: asyncpg.Pool


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


HEADER = encode(b'{"alg":"HS256","typ":"at+jwt"}')


def mac_of(data: bytes) -> bytes:
    return hmac.digest(SECRET_KEY, data, hashlib.sha256)


def write_token(user_id: uuid.UUID, session_id: uuid.UUID, now: int) -> str:
    claims = {"iss": ISSUER, "aud": ISSUER, "sub": str(user_id), "sid": str(session_id), "iat": now}
    claims |= {"exp": now + ACCESS_SECONDS, "jti": secrets.token_urlsafe(12)}
    signed = f"{HEADER}.{encode(json.dumps(claims).encode())}"
    return f"{signed}.{encode(mac_of(signed.encode()))}"


def read_token(token: str) -> tuple[uuid.UUID, uuid.UUID] | None:
    signed, _, signature = token.rpartition(".")
    header, _, claims = signed.partition(".")
    if (
        not hmac.compare_digest(decode(signature), mac_of(signed.encode()))
        or json.loads(decode(header))["alg"] != "HS256"
    ):
        return None
    found = json.loads(decode(claims))
    if found["iss"] != ISSUER or found["aud"] != ISSUER or found["exp"] < time.time() or found["iat"] > time.time():
        return None
    return uuid.UUID(found["sid"]), uuid.UUID(found["sub"])


def new_tokens(user_id: uuid.UUID, session_id: uuid.UUID, generation: int, now: int) -> dict[str, Any]:
    body = REFRESH_BODY.pack(session_id.bytes, generation)
    return {
        "token_type": "Bearer",
        "access_token": write_token(user_id, session_id, now),
        "issued_at": now,
        "expires_at": now + ACCESS_SECONDS,
        "refresh_token": encode(body + mac_of(body)),
        "refresh_token_issued_at": now,
        "refresh_token_expires_at": now + REFRESH_SECONDS,
    }


def session_end(now: int) -> datetime:
    return datetime.fromtimestamp(now + REFRESH_SECONDS, UTC)


async def leave_as_it_is(_: asyncpg.Connection) -> None:
    """Replaces the query with which asyncpg's pool resets every connection that is returned."""


async def caller(scope: dict[str, Any]) -> asyncpg.Record | None:
    value = dict(scope["headers"]).get(b"authorization", b"").decode()
    ids = read_token(value.removeprefix("Bearer "))
    return await pool.fetchrow(CALLER, *ids) if ids else None


async def read_body(receive: Receive) -> bytes:
    body: bytes = b""
    more = True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


async def me(scope: dict[str, Any], _: Receive) -> Response:
    user = await caller(scope)
    return (200, {"id": str(user[0]), "email": user[1]}) if user else (401, None)


async def my_pets(scope: dict[str, Any], _: Receive) -> Response:
    user = await caller(scope)
    if user is None:
        return 401, None
    rows = await pool.fetch(PETS, user[0])
    return 200, [{"id": str(row[1]), "pet_name": row[0], "user_id": str(row[2])} for row in rows[:50]]


async def create_pet(scope: dict[str, Any], receive: Receive) -> Response:
    user = await caller(scope)
    if user is None:
        return 401, None
    pet_id, pet_name = uuid.uuid4(), json.loads(await read_body(receive))["pet_name"]
    await pool.execute(CREATE_PET, pet_id, user[0], pet_name)
    return 201, {"id": str(pet_id), "pet_name": pet_name, "user_id": str(user[0])}


async def refresh(_: dict[str, Any], receive: Receive) -> Response:
    raw, now = decode(json.loads(await read_body(receive))["refresh_token"]), int(time.time())
    body, signature = raw[: REFRESH_BODY.size], raw[REFRESH_BODY.size :]
    if not hmac.compare_digest(signature, mac_of(body)):
        return 400, None
    session, generation = REFRESH_BODY.unpack(body)
    session_id = uuid.UUID(bytes=session)
    user_id = await pool.fetchval(REFRESH, session_end(now), session_id, generation)
    return (200, new_tokens(user_id, session_id, generation + 1, now)) if user_id else (400, None)


async def login(_: dict[str, Any], receive: Receive) -> Response:
    """Hash the password with plain bcrypt, against a made-up hash with the same number of rounds."""
    form, now = parse_qs((await read_body(receive)).decode()), int(time.time())
    user = await pool.fetchrow(LOGIN, form["username"][0].lower())
    if user is None:
        return 400, None
    hashed = "$2b$" + os.environ.get("SECURITY_BCRYPT_ROUNDS", "12") + "$" + "." * 53
    await asyncio.get_running_loop().run_in_executor(
        PASSWORD_THREADS, bcrypt.hashpw, form["password"][0].encode(), hashed.encode()
    )
    session_id = uuid.uuid4()
    await pool.execute(BEGIN_SESSION, session_id, user[0], session_end(now))
    return 200, new_tokens(user[0], session_id, 0, now)


ROUTES: dict[tuple[str, str], Callable[[dict[str, Any], Receive], Awaitable[Response]]] = {
    ("GET", "/users/me"): me,
    ("GET", "/pets/me"): my_pets,
    ("POST", "/pets/create"): create_pet,
    ("POST", "/auth/refresh-token"): refresh,
    ("POST", "/auth/access-token"): login,
}


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    global pool
    if scope["type"] == "lifespan":
        await receive()
        reset = leave_as_it_is if os.environ.get("WITHOUT_RESET") else None
        pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=10, max_size=10, reset=reset)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await pool.close()
        await send({"type": "lifespan.shutdown.complete"})
        return
    route = ROUTES.get((scope["method"], scope["path"]))
    status, content = await route(scope, receive) if route else (404, None)
    body = json.dumps(content, separators=(",", ":")).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
