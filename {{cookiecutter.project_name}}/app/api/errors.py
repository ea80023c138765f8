"""What the API says when it says no: the sentences, how the documentation shows them, the handlers that send them."""

import json
import logging
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.routing import Match

from app.auth.password_queue import PasswordQueueFullError
from app.auth.rate_limits import RateLimitedError
from app.auth.sessions import EmailNotVerifiedError
from app.core.config import settings
from app.core.outages import is_outage, reason
from app.schemas.responses import ErrorResponse
from app.server.limits import MAX_PROBLEMS, MAX_PROBLEMS_SIZE
from app.server.middleware import CONTENT_TOO_LARGE, UNREADABLE_BODY

INCORRECT_EMAIL_OR_PASSWORD = "Incorrect email or password"
INCORRECT_PASSWORD = "Incorrect password"
INVALID_REFRESH_TOKEN = "Invalid refresh token"
EMAIL_NOT_AVAILABLE = "Cannot use this email address"
NOT_AUTHENTICATED = "Not authenticated"
INVALID_ACCESS_TOKEN = "Invalid access token"
NOT_A_SUPERUSER = "Only superusers may do this"
USER_NOT_FOUND = "User not found"
SESSION_NOT_FOUND = "Session not found"
PET_NOT_FOUND = "Pet not found"
EMAIL_NOT_VERIFIED = "Email address not verified"
INVALID_MAIL_TOKEN = "Invalid or expired token"
LAST_SUPERUSER = "The last active superuser has to stay"
TOO_MANY_TRIES = "Too many tries, come back later"
TOO_MANY_AT_ONCE = "Too many logins and registrations at once, try again"
NOT_NOW = "The service is not available now, try again"

logger = logging.getLogger("app.errors")

Documented = dict[int | str, dict[str, Any]]


def documented(status_code: int, *sentences: str, header: str | None = None) -> Documented:
    """The entry of a route's `responses` for an error with one of these sentences."""
    entry: dict[str, Any] = {"model": ErrorResponse, "description": " · ".join(sentences)}
    entry["content"] = {"application/json": {"examples": {text: {"value": {"detail": text}} for text in sentences}}}
    if header:
        entry["headers"] = {header: {"schema": {"type": "string"}}}
    return {status_code: entry}


def body_refused(*sentences: str) -> Documented:
    """What a route with a body documents: that it can't be read or is too large, and what else it is a 400 for."""
    return documented(400, *sentences, UNREADABLE_BODY) | documented(413, CONTENT_TOO_LARGE)


BODY = body_refused()
UNAUTHORIZED = documented(401, NOT_AUTHENTICATED, INVALID_ACCESS_TOKEN, header="WWW-Authenticate")
UNAVAILABLE = documented(503, NOT_NOW, header="Retry-After")
# Of routes that check or hash a password.
RATE_LIMITED = documented(429, TOO_MANY_TRIES, header="Retry-After") | documented(
    503, NOT_NOW, TOO_MANY_AT_ONCE, header="Retry-After"
)
UNVERIFIED = documented(403, EMAIL_NOT_VERIFIED)
FORBIDDEN = UNAUTHORIZED | documented(403, NOT_A_SUPERUSER)


def unauthorized(token_was_sent: bool) -> HTTPException:
    """401 as RFC 6750 section 3.1 words it: no error code unless there was a token to be wrong."""
    if token_was_sent:
        return HTTPException(401, INVALID_ACCESS_TOKEN, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    return HTTPException(401, NOT_AUTHENTICATED, {"WWW-Authenticate": "Bearer"})


async def _validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    problems, size = [], 0
    for problem in error.errors()[:MAX_PROBLEMS]:
        # Not `input`, which may be a password. Keys may be any text: escaped, even a lone surrogate can be sent.
        loc = [part[:100] if isinstance(part, str) else part for part in problem["loc"]]
        problems.append(json.dumps({"type": problem["type"], "loc": loc, "msg": problem["msg"][:200]}))
        size += len(problems[-1])
        if size > MAX_PROBLEMS_SIZE:
            problems.pop()
            break
    return Response('{"detail": [' + ", ".join(problems) + "]}", 422, media_type="application/json")


async def _rate_limited(_: Request, error: Exception) -> Response:
    assert isinstance(error, RateLimitedError)  # noqa: S101
    return JSONResponse({"detail": TOO_MANY_TRIES}, 429, {"Retry-After": str(error.retry_after)})


async def _password_queue_full(_: Request, __: Exception) -> Response:
    logger.warning("The password queue is full: more logins and registrations at once than the processors can check")
    return JSONResponse({"detail": TOO_MANY_AT_ONCE}, 503, {"Retry-After": "1"})


async def _email_not_verified(_: Request, __: Exception) -> Response:
    if settings.registration == "discreet":  # who has just registered would learn whether there was an account before
        return JSONResponse({"detail": INCORRECT_EMAIL_OR_PASSWORD}, 400)
    return JSONResponse({"detail": EMAIL_NOT_VERIFIED}, 403)


async def _database_error(_: Request, error: Exception) -> Response:
    if not is_outage(error):
        raise error
    # Another OSError, a file that is missing say, is no matter of the database's: the trace tells where it comes from.
    is_unexpected = not isinstance(error, SQLAlchemyError | ConnectionError | TimeoutError)
    logger.warning("The database can't serve: %s", reason(error), exc_info=is_unexpected)
    return JSONResponse({"detail": NOT_NOW}, 503, {"Retry-After": "1"})


async def _method_not_allowed(request: Request, _: Exception) -> Response:
    # RFC 9110 section 15.5.6: Allow lists every method of the resource. Starlette names those of one route.
    scope = dict(request.scope)
    allowed = [
        method
        for method in ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
        if any(route.matches(scope | {"method": method})[0] is Match.FULL for route in request.app.routes)
    ]
    return JSONResponse({"detail": "Method Not Allowed"}, 405, {"Allow": ", ".join(allowed or ["GET", "HEAD"])})


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(RateLimitedError, _rate_limited)
    app.add_exception_handler(PasswordQueueFullError, _password_queue_full)
    app.add_exception_handler(EmailNotVerifiedError, _email_not_verified)
    for error in (SQLAlchemyError, OSError, TimeoutError):
        app.add_exception_handler(error, _database_error)
    app.add_exception_handler(status.HTTP_405_METHOD_NOT_ALLOWED, _method_not_allowed)
