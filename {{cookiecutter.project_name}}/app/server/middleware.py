"""What every request and every answer has, whatever the route. Pure ASGI; see main.py for the order."""

import logging
import re
import time
from typing import Final

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.server.logging import choose_request_id, log_request, request_id

logger = logging.getLogger("app.requests")

MAX_BODY_SIZE: Final = 1024 * 1024  # bytes
MAX_DIGITS: Final = 20  # of a Content-Length; Python refuses to read a number of thousands
CONTENT_TOO_LARGE: Final = "Content Too Large"
WELL_FORMED_HOST: Final = re.compile(r"(\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
MAX_PORT: Final = 65_535

# https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers
SECURITY_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000"),  # heeded over HTTPS only
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)


class RequestLog:
    """Gives a request its id and one line in the log. A crash is a 500 to the client, and a trace to the log only."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, state = time.perf_counter(), scope.setdefault("state", {})
        chosen_id = choose_request_id(Headers(scope=scope).get("x-request-id"))
        token = request_id.set(chosen_id)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                state["status"] = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", chosen_id.encode())]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except Exception:
            logger.exception("Unhandled error")
            if "status" in state:
                raise  # the answer has begun: all that is left is to break it off
            await JSONResponse({"detail": "Internal Server Error"}, 500)(scope, receive, send_with_id)
        finally:
            if logger.isEnabledFor(logging.INFO):
                log_request(scope, time.perf_counter() - begun)
            request_id.reset(token)


class SecurityHeaders:
    """Adds the headers that an answer doesn't bring itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                missing = [header for header in SECURITY_HEADERS if header[0] not in present]
                message["headers"] = [*message["headers"], *missing]
            await send(message)

        await self.app(scope, receive, send_with_headers)


class AllowedHosts:
    """Answers to the allowed host names only, to probes under any; malformed URLs are a 400 (RFC 9112 section 3.2)."""

    def __init__(self, app: ASGIApp, patterns: list[str]) -> None:
        self.app = app
        self.patterns = [pattern.lower() for pattern in patterns]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._allows(scope):
            await self.app(scope, receive, send)
        else:
            await JSONResponse({"detail": "Invalid host or query"}, 400)(scope, receive, send)

    def _allows(self, scope: Scope) -> bool:
        hosts = Headers(scope=scope).getlist("host") or ["localhost"]
        host = WELL_FORMED_HOST.fullmatch(hosts[0])
        if host is None or int(host[2] or 0) > MAX_PORT or len(hosts) > 1 or not scope["query_string"].isascii():
            return False
        if scope["path"].endswith(("/health/live", "/health/ready")):
            return True
        name = host[1].lower()
        return any(
            pattern in {"*", name} or (pattern[:1] == "*" and name.endswith(pattern[1:])) for pattern in self.patterns
        )


class BodyLimit:
    """Refuses a body over MAX_BODY_SIZE: at once where its length is declared, else as soon as it is too long.

    FastAPI's `max_body_size` would answer in plain text where the length is declared.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = Headers(scope=scope).get("content-length", "") if scope["type"] == "http" else ""
        if length.isdecimal() and (len(length) > MAX_DIGITS or int(length) > MAX_BODY_SIZE):
            await JSONResponse({"detail": CONTENT_TOO_LARGE}, 413)(scope, receive, send)
            return
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_SIZE:
                raise HTTPException(413, CONTENT_TOO_LARGE)  # answered by FastAPI, which is reading the body
            return message

        await self.app(scope, receive_within_limit, send)
