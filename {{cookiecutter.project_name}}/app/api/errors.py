"""Error responses: their messages, how the documentation shows them, and the handlers that send them."""

import json
import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response, status
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import Match

from app.api.error_schemas import schema_of
from app.api.oauth_errors import Documented, OAuthError, Refusal, code_of, refuse
from app.auth.caller import RECENT, Caller, superuser_rules
from app.auth.password_queue import PasswordQueueFullError
from app.auth.rate_limits import RateLimitedError
from app.core.outages import is_outage, reason
from app.schemas.responses import ErrorResponse, OAuthErrorResponse
from app.server.limits import MAX_PROBLEMS, MAX_PROBLEMS_SIZE
from app.server.middleware import CONTENT_TOO_LARGE, INVALID_HEADER, INVALID_HOST_OR_QUERY, UNREADABLE_BODY

INCORRECT_EMAIL_OR_PASSWORD = "Incorrect email or password"
INCORRECT_PASSWORD = "Incorrect password"
INVALID_REFRESH_TOKEN = "Invalid refresh token"
LOG_IN_AGAIN = "Log in again, or re-authenticate, to do this"
LOG_IN_STRONGER = "Log in with more than a password to do this"
ANOTHER_SITE = "Requests of other sites are refused"
EMAIL_NOT_AVAILABLE = "Cannot use this email address"
NOT_AUTHENTICATED = "Not authenticated"
INVALID_ACCESS_TOKEN = "Invalid access token"
NOT_A_SUPERUSER = "Only superusers may do this"
MISSING_SCOPE = "The token lacks a scope"
USER_NOT_FOUND = "User not found"
SESSION_NOT_FOUND = "Session not found"
NOT_FOUND = "Not Found"
LAST_SUPERUSER = "The last active superuser must remain"
TOO_MANY_ATTEMPTS = "Too many attempts, try again later"
TOO_MANY_AT_ONCE = "Too many logins and registrations at once, try again"
NOT_NOW = "The service is temporarily unavailable, try again"

logger = logging.getLogger("app.errors")


def documented(status_code: int, *messages: str, header: str | None = None, error: str | None = None) -> Documented:
    """The entry of a route's `responses` for an error with one of these messages, and maybe with a code."""
    code = {"error": error} if error else {}
    examples = {text: {"value": {"detail": text} | code} for text in messages}
    schema = schema_of(OAuthErrorResponse if error else ErrorResponse)
    content = {"application/json": {"schema": schema, "examples": examples}}
    entry: dict[str, Any] = {"description": " · ".join(messages), "content": content}
    if header:
        entry["headers"] = {header: {"schema": {"type": "string"}}}
    return {status_code: entry}


def body_refused(*messages: str) -> Documented:
    """The errors of a route with a body: it can't be read or is too large, or a 400 with one of these messages."""
    return documented(400, *messages, UNREADABLE_BODY) | documented(413, CONTENT_TOO_LARGE)


ANY_ROUTE = documented(400, INVALID_HOST_OR_QUERY, INVALID_HEADER)
BODY = body_refused()
UNAUTHORIZED = documented(401, NOT_AUTHENTICATED, INVALID_ACCESS_TOKEN, header="WWW-Authenticate")
UNAVAILABLE = documented(503, NOT_NOW, header="Retry-After")
# For routes that check or hash a password.
RATE_LIMITED = documented(429, TOO_MANY_ATTEMPTS, header="Retry-After") | documented(
    503, NOT_NOW, TOO_MANY_AT_ONCE, header="Retry-After"
)
# For routes that want a scope, and for those that want one which only superusers have.
NEEDS_SCOPE = UNAUTHORIZED | documented(403, MISSING_SCOPE, header="WWW-Authenticate", error="insufficient_scope")
FORBIDDEN = UNAUTHORIZED | documented(
    403, NOT_A_SUPERUSER, MISSING_SCOPE, header="WWW-Authenticate", error="insufficient_scope"
)
# For routes that want a recent factor.
NOT_RECENT = documented(401, NOT_AUTHENTICATED, INVALID_ACCESS_TOKEN, LOG_IN_AGAIN, header="WWW-Authenticate")
# For routes that want a recent login, which a feature's rule may refuse.
NO_RECENT_LOGIN = NOT_RECENT | documented(403, LOG_IN_STRONGER)

NOT_A_FORM: dict[str, Any] = {
    "type": "form_expected",
    "loc": ("body",),
    "msg": "Send a form (application/x-www-form-urlencoded) instead of JSON",
}
_NOT_RECENT = Refusal("insufficient_user_authentication", LOG_IN_AGAIN, 401)


def unauthorized(token_was_sent: bool) -> HTTPException:
    """A 401 according to RFC 6750 section 3.1: it has an error code only if a token was sent."""
    if token_was_sent:
        return HTTPException(401, INVALID_ACCESS_TOKEN, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    return HTTPException(401, NOT_AUTHENTICATED, {"WWW-Authenticate": "Bearer"})


def not_recent() -> HTTPException:
    """The 401 of RFC 9470 section 3: the token is good, but its user has to re-authenticate."""
    challenge = f'Bearer error="{_NOT_RECENT.error}", max_age={int(RECENT.total_seconds())}'
    return OAuthError(_NOT_RECENT, {"WWW-Authenticate": challenge})


def insufficient_scope(caller: Caller, scopes: Sequence[str]) -> HTTPException:
    """The 403 of RFC 6750 section 3.1, for a caller without one of these scopes."""
    detail = MISSING_SCOPE
    if caller.granted is None:  # it isn't the token that lacks a scope, but the account
        refusals = [refusal for rule in superuser_rules if (refusal := rule.refusal())]
        detail = refusals[0] if refusals else NOT_A_SUPERUSER
    challenge = f'Bearer error="insufficient_scope", scope="{" ".join(scopes)}"'
    return OAuthError(Refusal("insufficient_scope", detail, 403), {"WWW-Authenticate": challenge})


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)  # noqa: S101
    if isinstance(error, OAuthError):
        return JSONResponse(error.content, error.status_code, error.headers)
    if code := code_of(request, error.status_code):
        return JSONResponse({"detail": error.detail} | code, error.status_code, error.headers)
    return await http_exception_handler(request, error)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    problems, size = [], 0
    for problem in [NOT_A_FORM] if _wants_a_form(request) else error.errors()[:MAX_PROBLEMS]:
        # Leaves out `input`, which may be a password. Keys can be any text: json.dumps escapes even a lone surrogate.
        loc = [part[:100] if isinstance(part, str) else part for part in problem["loc"]]
        problems.append(json.dumps({"type": problem["type"], "loc": loc, "msg": problem["msg"][:200]}))
        size += len(problems[-1])
        if size > MAX_PROBLEMS_SIZE:
            problems.pop()
            break
    code = json.dumps(code_of(request, 422))[1:-1]
    body = '{"detail": [' + ", ".join(problems) + "]" + (code and f", {code}") + "}"
    return Response(body, 422, media_type="application/json")


def _wants_a_form(request: Request) -> bool:
    """Whether this route takes a form, and was sent JSON, which FastAPI takes for a form without fields."""
    body = getattr(request.scope.get("route"), "body_field", None)
    return isinstance(body and body.field_info, Form) and "json" in request.headers.get("Content-Type", "").lower()


async def _rate_limited(request: Request, error: Exception) -> Response:
    assert isinstance(error, RateLimitedError)  # noqa: S101
    return refuse(request, 429, TOO_MANY_ATTEMPTS, {"Retry-After": str(error.retry_after)})


async def _password_queue_full(request: Request, _: Exception) -> Response:
    logger.warning("The password queue is full: more logins and registrations at once than the processors can handle")
    return refuse(request, 503, TOO_MANY_AT_ONCE, {"Retry-After": "1"})


async def _database_error(request: Request, error: Exception) -> Response:
    if not is_outage(error):
        raise error
    # Any other OSError, such as a missing file, doesn't come from the database: log where it does come from.
    is_unexpected = not isinstance(error, SQLAlchemyError | ConnectionError | TimeoutError)
    logger.warning("The database is unavailable: %s", reason(error), exc_info=is_unexpected)
    return refuse(request, 503, NOT_NOW, {"Retry-After": "1"})


async def _method_not_allowed(request: Request, _: Exception) -> Response:
    # RFC 9110 section 15.5.6: Allow lists every method of the resource. Starlette lists only those of one route.
    scope = dict(request.scope)
    allowed = {
        method
        for method in ("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT")
        if any(route.matches(scope | {"method": method})[0] is Match.FULL for route in request.app.routes)
    } or {"GET"}
    if "GET" in allowed:
        allowed.add("HEAD")  # see AsRoutesExpect
    return JSONResponse({"detail": "Method Not Allowed"}, 405, {"Allow": ", ".join(sorted(allowed))})


def add_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(StarletteHTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(RateLimitedError, _rate_limited)
    app.add_exception_handler(PasswordQueueFullError, _password_queue_full)
    for error in (SQLAlchemyError, OSError, TimeoutError):
        app.add_exception_handler(error, _database_error)
    app.add_exception_handler(status.HTTP_405_METHOD_NOT_ALLOWED, _method_not_allowed)
