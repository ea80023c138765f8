"""Errors as OAuth clients read them (RFC 6749 section 5.2): `error`, a code, stands beside `detail`."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from app.schemas.responses import MfaRequiredResponse, OAuthErrorResponse, OAuthValidationErrorResponse

# What the status says where no OAuthError says more. Without a code, authlib takes an error for a token.
_CODES: Final = {
    403: "access_denied",
    429: "temporarily_unavailable",
    503: "temporarily_unavailable",
}


class OAuthRoute(APIRoute):
    """A route that OAuth clients call: each of its errors has a code."""


class OAuthError(HTTPException):
    """A refusal with a code of its own, and maybe more for the client."""

    def __init__(self, error: str, detail: str, status_code: int = 400, **more: str) -> None:
        super().__init__(status_code, detail)
        self.content = {"detail": detail, "error": error} | more


def code_of(request: Request, status_code: int) -> dict[str, str]:
    """The `error` of a refusal with this status; nothing for a route that isn't OAuth's."""
    return {"error": _code(status_code)} if isinstance(request.scope.get("route"), OAuthRoute) else {}


def _code(status_code: int) -> str:
    return _CODES.get(status_code, "invalid_request")


def refusal(request: Request, status_code: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail} | code_of(request, status_code), status_code, headers)


def with_codes(
    responses: dict[int | str, dict[str, Any]], codes: Mapping[str, str] | None = None
) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an OAuthRoute: these, with the code that `codes` has for a detail, else that of the status."""
    documented: dict[int | str, dict[str, Any]] = {
        422: {"model": OAuthValidationErrorResponse, "description": "Validation Error"}
    }
    for status_code, response in responses.items():
        examples = {
            detail: {"value": example["value"] | {"error": (codes or {}).get(detail, _code(int(status_code)))}}
            for detail, example in response["content"]["application/json"]["examples"].items()
        }
        content = {"application/json": {"examples": examples}}
        is_login = any(example["value"]["error"] == "mfa_required" for example in examples.values())
        model = MfaRequiredResponse if is_login else OAuthErrorResponse
        documented[status_code] = response | {"model": model, "content": content}
    return documented
