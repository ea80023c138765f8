"""Errors as OAuth clients read them (RFC 6749 section 5.2): `error`, a code, stands beside `detail`."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from app.api.error_schemas import schema_of
from app.schemas.responses import OAuthErrorResponse, OAuthValidationErrorResponse

# The code of an error that isn't an OAuthError, by its status. Without a code, authlib takes an error for a token.
_CODES: Final = {403: "access_denied", 429: "temporarily_unavailable", 503: "temporarily_unavailable"}

Documented = dict[int | str, dict[str, Any]]  # what FastAPI takes as the `responses` of a route


class Refusal(NamedTuple):
    """A refusal with a code of its own; `model` describes a body with more than `error` and `detail`."""

    error: str
    detail: str
    status_code: int = 400
    model: type[OAuthErrorResponse] = OAuthErrorResponse


class OAuthError(HTTPException):
    """A refusal, maybe with more fields for the client."""

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


def with_codes(responses: Documented, *refusals: Refusal) -> Documented:
    """The `responses` of an OAuthRoute: these, each with the code of its status, and the refusals."""
    invalid = {"application/json": {"schema": schema_of(OAuthValidationErrorResponse)}}
    documented: Documented = {422: {"description": "Validation Error", "content": invalid}}
    for status_code in dict.fromkeys([*responses, *(refusal.status_code for refusal in refusals)]):
        response = responses.get(status_code, {})
        raised = [refusal for refusal in refusals if refusal.status_code == status_code]
        details = response["content"]["application/json"]["examples"] if response else ()
        codes = dict.fromkeys(details, _code(int(status_code))) | {refusal.detail: refusal.error for refusal in raised}
        examples = {detail: {"value": {"detail": detail, "error": code}} for detail, code in codes.items()}
        models = {refusal.model for refusal in raised} or {OAuthErrorResponse}
        documented[status_code] = response | {
            "description": " · ".join(codes),
            "content": {"application/json": {"schema": schema_of(*sorted(models, key=str)), "examples": examples}},
        }
    return documented
