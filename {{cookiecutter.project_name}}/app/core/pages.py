"""Where our own pages for people are, if a feature brings some: links in emails and redirects lead there."""

import os
from collections.abc import Callable
from typing import Final, NamedTuple

from app.core.config import settings


class Pages(NamedTuple):
    path: str  # of the account's page, below API_PREFIX; the other pages lie below it
    are_on: Callable[[], bool]


pages: Final[list[Pages]] = []  # a feature adds its own


def pages_path() -> str | None:
    """The path of the account's page, such as `/account`; that of a login is `/account/login`. None without pages."""
    return next((f"{settings.api_prefix}{path}" for path, are_on in pages if are_on()), None)


def pages_url() -> str | None:
    """The same with our origin, for links from elsewhere. None in production, too, as long as PUBLIC_URL is not set."""
    path = pages_path()
    if path is None or (settings.public_url is None and settings.environment == "production"):
        return None
    # `make dev PORT=8001` exports the port. To browsers, localhost is as good as HTTPS.
    return f"{settings.public_url or 'http://localhost:' + os.environ.get('PORT', '8000')}{path}"
