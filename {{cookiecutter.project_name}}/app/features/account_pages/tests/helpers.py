"""What a browser would load."""

import re
from urllib.parse import urljoin

from httpx import AsyncClient, Response

from app.core.config import settings
from app.features.account_pages.files import files

# What a page loads or a script imports, and where links lead.
LOADED = re.compile(r'<(?:script|link)[^>]* (?:src|href)="([^"]+)"|^import [^"]*"([^"]+)"', re.MULTILINE)


def root() -> str:
    return f"{settings.api_prefix}/account"


def page_paths() -> list[str]:
    """The paths of all pages, those of features included."""
    names = [path.rpartition("/")[2].removesuffix(".html") for path, file in files().items() if is_page(file.content)]
    return [root() if name == "account" else f"{root()}/{name}" for name in names]


def is_page(content: str) -> bool:
    return content.startswith("<!doctype html>")


async def load(client: AsyncClient, path: str, loaded: dict[str, Response]) -> dict[str, Response]:
    """Get what is at this path, and all that it loads, into `loaded`."""
    if path not in loaded:
        loaded[path] = await client.get(f"https://{settings.allowed_hosts[0]}{path}")
        for names in LOADED.findall(loaded[path].text):
            await load(client, urljoin(path, "".join(names)), loaded)
    return loaded
