"""Errors as OAuth clients read them (RFC 6749 section 5.2): `error`, a code, stands beside `detail`."""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Any, Final, NamedTuple

from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from app.schemas.responses import OAuthErrorResponse, OAuthValidationErrorResponse

# What the status says where no OAuthError says more. Without a code, authlib takes an error for a token.
_CODES: Final = {
    403: "access_denied",
    429: "temporarily_unavailable",
    503: "temporarily_unavailable",
}


class Refusal(NamedTuple):
    """A refusal with a code of its own; `model` describes the body if it has more than the two."""

    error: str
    detail: str
    status_code: int = 400
    model: type[OAuthErrorResponse] = OAuthErrorResponse


class OAuthError(HTTPException):
    """A refusal, and maybe more for the client."""

    def __init__(self, refusal: Refusal, headers: Mapping[str, str] | None = None, **more: str) -> None:
        super().__init__(refusal.status_code, refusal.detail, headers)
        self.content = {"detail": refusal.detail, "error": refusal.error} | more


class OAuthRoute(APIRoute):
    """A route that OAuth clients call: each of its errors has a code."""


def code_of(request: Request, status_code: int) -> dict[str, str]:
    """The `error` of a refusal with this status; nothing for a route that isn't OAuth's."""
    return {"error": _code(status_code)} if isinstance(request.scope.get("route"), OAuthRoute) else {}


def _code(status_code: int) -> str:
    return _CODES.get(status_code, "invalid_request")


def refuse(request: Request, status_code: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail} | code_of(request, status_code), status_code, headers)


def with_codes(responses: dict[int | str, dict[str, Any]], *refusals: Refusal) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an OAuthRoute: these, each with the code of its status, and the refusals."""
    found: dict[int | str, dict[str, Any]] = {}
    models: dict[int | str, set[type[OAuthErrorResponse]]] = {}
    for status_code, response in responses.items():
        examples = response["content"]["application/json"]["examples"]
        found[status_code] = {detail: _example(detail, _code(int(status_code))) for detail in examples}
    for refusal in refusals:
        found.setdefault(refusal.status_code, {})[refusal.detail] = _example(refusal.detail, refusal.error)
        models.setdefault(refusal.status_code, set()).add(refusal.model)
    documented: dict[int | str, dict[str, Any]] = {
        422: {"model": OAuthValidationErrorResponse, "description": "Validation Error"}
    }
    for status_code, examples in found.items():
        model = reduce(or_, sorted(models.get(status_code, {OAuthErrorResponse}), key=str))
        documented[status_code] = responses.get(status_code, {}) | {
            "model": model,
            "description": " · ".join(examples),
            "content": {"application/json": {"examples": examples}},
        }
    return documented


def _example(detail: str, error: str) -> dict[str, Any]:
    return {"value": {"detail": detail, "error": error}}
