"""Where a browser goes after a sign-in: a path of ours, an address of BACKEND_CORS_ORIGINS, or an application."""

import re
from typing import Final
from urllib.parse import quote, urlencode

from fastapi import HTTPException, status

from app.core.config import settings
from app.core.pages import pages_path
from app.features.sign_in.settings import sign_in_settings

REFUSED: Final = "return_to must be a path here, an address of BACKEND_CORS_ORIGINS or of NATIVE_APP_SCHEMES"
MAX_LENGTH: Final = 2000
# Judged by the text alone, as browsers and libraries read odd addresses differently; our own pages do the same.
_VISIBLE: Final = re.compile(r"[!-\[\]-~]+")  # ASCII without the backslash, which browsers read as a slash
_PATH: Final = re.compile(r"(/[^/]+)*/?")
_HIDDEN: Final = re.compile(r"%(2f|5c|[01][0-9a-f]|7f)", re.IGNORECASE)


def checked(return_to: str) -> str:
    """Raises the 400 for an address where anybody else could wait for what we send."""
    if not is_app(return_to) and not _is_safe(return_to):
        raise HTTPException(status.HTTP_400_BAD_REQUEST, REFUSED)
    return return_to


def is_app(return_to: str) -> bool:
    """Whether it belongs to an application that isn't a page (RFC 8252 section 7.1)."""
    scheme, _, rest = return_to.partition(":")
    return scheme in sign_in_settings.native_app_schemes and bool(_VISIBLE.fullmatch(rest))


def _is_safe(return_to: str) -> bool:
    if len(return_to) > MAX_LENGTH or not _VISIBLE.fullmatch(return_to):
        return False
    web = (origin for origin in settings.named_cors_origins if origin.startswith(("https://", "http://")))
    prefix = next((origin for origin in web if re.match(re.escape(origin) + r"(/|$)", return_to)), "")
    path = re.split(r"[?#]", return_to.removeprefix(prefix), maxsplit=1)[0]
    segments = re.sub("%2e", ".", path, flags=re.IGNORECASE).split("/")
    is_plain = _PATH.fullmatch(path) and not _HIDDEN.search(path) and not {".", ".."} & set(segments)
    return bool(is_plain) and bool(path or prefix)


def with_fragment(address: str, parameters: dict[str, str]) -> str:
    return f"{address.partition('#')[0]}#{urlencode(parameters, quote_via=quote)}"


def home() -> str:
    return pages_path() or "/"


def place_of_refusals(return_to: str) -> str:
    """Where somebody reads why a login was refused: of our own pages only the login page is open to them."""
    pages = pages_path()
    is_ours = pages and re.match(re.escape(pages) + r"([/?#]|$)", return_to)
    return f"{pages}/login?{urlencode({'return_to': return_to})}" if is_ours else return_to
