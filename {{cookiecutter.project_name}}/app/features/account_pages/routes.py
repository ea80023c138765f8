"""The pages and what they load. No path has anything to do with a file's: each names one of those that were read."""

from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Header, HTTPException, Response, status
from fastapi.responses import RedirectResponse

from app.api.errors import NOT_FOUND
from app.core.pages import pages_path
from app.features.account_pages.files import TYPES, files, page

PATH: Final = "/account"
HOME: Final = "account"  # the page at PATH itself
HEADERS: Final = {
    "Cache-Control": "no-cache",  # the browser asks whether its copy is the newest, so that a deployment is seen
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
}

router = APIRouter(include_in_schema=False)
well_known_router = APIRouter(include_in_schema=False)
IfNoneMatch = Annotated[str, Header()]


@router.get("")
async def read_account_page(if_none_match: IfNoneMatch = "") -> Response:
    return _response(page(HOME), ".html", if_none_match)


@router.get("/{name}")
async def read_page(name: str, if_none_match: IfNoneMatch = "") -> Response:
    return _response(None if name == HOME else page(name), ".html", if_none_match)


@router.get("/files/{path:path}")
async def read_file(path: str, if_none_match: IfNoneMatch = "") -> Response:
    """A style sheet, a script or a picture, by its path below `app/features/`."""
    file, suffix = files().get(path), Path(path).suffix
    return _response(file.content if file and suffix != ".html" else None, suffix, if_none_match)


@well_known_router.get("/.well-known/change-password")
async def find_change_of_password() -> RedirectResponse:
    """Where password managers send people: https://w3c.github.io/webappsec-change-password-url/."""
    return RedirectResponse(f"{pages_path()}#password", status.HTTP_303_SEE_OTHER)


def _response(content: str | None, suffix: str, if_none_match: str) -> Response:
    if content is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, NOT_FOUND)
    headers = HEADERS | {"ETag": f'"{sha256(content.encode()).hexdigest()[:32]}"'}
    if headers["ETag"] in if_none_match:
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
    return Response(content, headers=headers, media_type=TYPES[suffix])
