"""What every request and every response has, whatever the route. Pure ASGI; see main.py for the order."""

import asyncio
import logging
import re
import time
from functools import lru_cache, partial
from typing import Final

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.server.limits import (
    MAX_BODY_SIZE,
    MAX_CONTENT_TYPE_LENGTH,
    MAX_COOKIE_BACKSLASHES,
    MAX_COSTLY_SIGNS,
    PIECE_SIZE,
)
from app.server.logging import choose_request_id, log_request, request_id

logger = logging.getLogger("app.requests")

MAX_DIGITS: Final = 20  # of a Content-Length; Python refuses to parse thousands of digits
CONTENT_TOO_LARGE: Final = "Content Too Large"
UNREADABLE_BODY: Final = "There was an error parsing the body"  # FastAPI's own message, e.g. for deeply nested JSON
INVALID_HOST_OR_QUERY: Final = "Invalid host or query"
INVALID_HEADER: Final = "Invalid header"
WELL_FORMED_HOST: Final = re.compile(r"(\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
MAX_PORT: Final = 65_535

# https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers
SECURITY_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000"),  # browsers ignore it over plain HTTP
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)


class RequestLog:
    """Gives each request an id and a line in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, state = time.perf_counter(), scope.setdefault("state", {})
        chosen_id = choose_request_id(dict(scope["headers"]).get(b"x-request-id"))
        token = request_id.set(chosen_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                state["status"] = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", chosen_id.encode())]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            if logger.isEnabledFor(logging.INFO):
                log_request(scope, time.perf_counter() - begun)
            request_id.reset(token)


class ServerErrors:
    """After a crash the client gets a 500, with the headers that let a page of another origin read it; the log a trace.

    Starlette's own comes outside of all middleware: a browser would report that CORS was missing.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except Exception:
            if scope["type"] != "http":
                raise
            logger.exception("Unhandled error")
            if "status" in scope["state"]:
                raise  # the response has begun, and can only be broken off
            await JSONResponse({"detail": "Internal Server Error"}, 500)(scope, receive, send)


class SecurityHeaders:
    """Adds the headers that a response doesn't have yet. For HEAD it drops the body, as not every server does."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = dict(message["headers"])
                missing = [header for header in SECURITY_HEADERS if header[0] not in present]
                message["headers"] = [*message["headers"], *missing]
            elif is_head and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        is_head = scope.get("method") == "HEAD"
        await self.app(scope, receive, send_with_headers)


class Cors:
    """CORS: pages of other origins may do everything but send cookies, which named origins may, too, under one path."""

    def __init__(
        self, app: ASGIApp, origins: list[str], origins_with_cookies: list[str], path_with_cookies: str
    ) -> None:
        exposed = ["Link", "Retry-After", "WWW-Authenticate"]
        cors = partial(CORSMiddleware, app, allow_methods=["*"], allow_headers=["*"], expose_headers=exposed)
        self.plain = cors(allow_origins=origins)
        self.with_cookies = cors(allow_origins=origins_with_cookies, allow_credentials=True)
        self.path_with_cookies = path_with_cookies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_with_cookies = scope["type"] == "http" and scope["path"].startswith(self.path_with_cookies)
        await (self.with_cookies if is_with_cookies else self.plain)(scope, receive, send)


class AllowedHosts:
    """Serves the allowed host names only, but probes under any; malformed URLs are a 400 (RFC 9112 section 3.2)."""

    def __init__(self, app: ASGIApp, patterns: list[str]) -> None:
        self.app = app
        self.patterns = [pattern.lower() for pattern in patterns]
        self.is_allowed = lru_cache(256)(self._is_allowed)  # a client sends the same name each time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._allows(scope):
            await self.app(scope, receive, send)
        else:
            await JSONResponse({"detail": INVALID_HOST_OR_QUERY}, 400)(scope, receive, send)

    def _allows(self, scope: Scope) -> bool:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if not hosts and scope["http_version"] == "1.0":
            hosts = [b"localhost"]  # HTTP/1.0 doesn't require one
        if len(hosts) != 1 or not scope["query_string"].isascii():
            return False
        return self.is_allowed(hosts[0], scope["path"].endswith(("/health/live", "/health/ready")))

    def _is_allowed(self, header: bytes, is_probe: bool) -> bool:
        host = WELL_FORMED_HOST.fullmatch(header.decode("latin-1"))
        if host is None or int(host[2] or 0) > MAX_PORT:
            return False
        name = host[1].lower()
        return is_probe or any(
            pattern in {"*", name} or (pattern[:1] == "*" and name.endswith(pattern[1:])) for pattern in self.patterns
        )


class _HeadersSentError(Exception):
    """Ends a response to HEAD that would have gone on, perhaps for ever."""


class AsRoutesExpect:
    """Passes HEAD on as GET (RFC 9110 section 9.3.2); SecurityHeaders drops the body.

    Where a proxy strips a prefix, which `uvicorn --root-path` names, the path has the prefix again.
    """

    def __init__(self, app: ASGIApp, api_prefix: str) -> None:
        self.app = app
        self.api_prefix = api_prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("root_path"):
            if scope["root_path"].rstrip("/") != self.api_prefix:
                raise RuntimeError(f"The server has --root-path {scope['root_path']}: set API_PREFIX to the same")
            scope["root_path"] = ""  # otherwise cookies and links would have the prefix twice, or not at all
        if scope.get("method") != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            scope["method"] = "HEAD"  # for the server, which would miss the body of a GET, and close the connection
            is_cut = message["type"] == "http.response.body" and message.get("more_body", False)
            if is_cut:
                message["more_body"] = False
            await send(message)
            if is_cut:
                raise _HeadersSentError

        scope["method"] = "GET"
        try:
            await self.app(scope, receive, send_head)
        except* _HeadersSentError:  # a streaming response sends from a task group, which raises a group
            pass
        finally:
            scope["method"] = "HEAD"  # for the log


class InputLimits:
    """Refuses requests that would cost too much; see limits.py.

    A body that is too long is refused at once if its length is declared, otherwise as soon as it gets too long.
    FastAPI's `max_body_size` would respond in plain text to a declared length.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif refusal := _refusal(scope):
            status_code, message = refusal
            await JSONResponse({"detail": message}, status_code)(scope, receive, send)
        else:
            await self.app(scope, _in_pieces(scope, receive), send)


def _max_body_size(scope: Scope) -> int:
    """The limit of the route that this request is for, looked up only for a body that is over the common one."""
    for route in iter_route_contexts(scope["app"].routes):
        size: int | None = getattr(route, "max_body_size", None)
        if size and scope["method"] in (route.methods or ()) and re.match(route.path_regex, scope["path"]):
            return max(size, MAX_BODY_SIZE)
    return MAX_BODY_SIZE


def _may_be_parsed(scope: Scope) -> bool:
    """Whether FastAPI parses this body as JSON or a form, by a wide margin: it must not parse what we didn't count."""
    types = [value.lower() for name, value in scope["headers"] if name == b"content-type" and value.strip()]
    return not types or any(b"json" in value or b"urlencoded" in value for value in types)


def _refusal(scope: Scope) -> tuple[int, str] | None:
    for name, value in scope["headers"]:
        if name == b"content-length":
            if value.isdigit() and (
                len(value) > MAX_DIGITS or (int(value) > MAX_BODY_SIZE and int(value) > _max_body_size(scope))
            ):
                return 413, CONTENT_TOO_LARGE
        elif (name == b"cookie" and value.count(b"\\") > MAX_COOKIE_BACKSLASHES) or (
            name == b"content-type" and len(value) > MAX_CONTENT_TYPE_LENGTH
        ):
            return 400, INVALID_HEADER
    return None


def _in_pieces(scope: Scope, receive: Receive) -> Receive:
    """The body as it arrives, at most PIECE_SIZE at a time. FastAPI, which reads it, responds with what it raises."""
    received = costly_signs = 0
    max_size = MAX_BODY_SIZE
    rest, more = b"", True

    async def receive_piece() -> Message:
        nonlocal received, costly_signs, max_size, rest, more
        if rest:
            await asyncio.sleep(0)
        else:
            message = await receive()
            rest, more = message.get("body", b""), message.get("more_body", False)
            received += len(rest)
            costly_signs += rest.count(b"[") + rest.count(b"{") + rest.count(b"%")
            if received > max_size and received > (max_size := _max_body_size(scope)):
                raise HTTPException(413, CONTENT_TOO_LARGE)
            if costly_signs > MAX_COSTLY_SIGNS and _may_be_parsed(scope):
                raise HTTPException(400, UNREADABLE_BODY)
            if len(rest) <= PIECE_SIZE:
                rest = b""
                return message
        piece, rest = rest[:PIECE_SIZE], rest[PIECE_SIZE:]
        return {"type": "http.request", "body": piece, "more_body": more or bool(rest)}

    return receive_piece
