"""What the pages consist of: files of this feature's folder `pages/`, and of other features' folders `account_pages/`.

A page has places for what features add to it. At `$login`, for one, stands the `login.html` of each feature that has
such a file, and its `login.js` runs before the page's own script. docs/account_pages.md says how to add one.
"""

import html
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from string import Template
from typing import Final, NamedTuple

from app.core.config import PROJECT, settings
from app.core.pages import pages_path

FEATURES: Final = Path(__file__).parents[1]
OWN: Final = "account_pages/pages"
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class File(NamedTuple):
    feature: str  # the name of its folder
    content: str


@cache
def read_files() -> dict[str, File]:
    """All files, by their paths below `app/features/`. Nothing else is ever served, whatever a path says."""
    folders = [FEATURES / OWN, *sorted(FEATURES.glob("*/account_pages"))]
    return {
        path.relative_to(FEATURES).as_posix(): File(
            path.relative_to(FEATURES).parts[0], path.read_text(encoding="utf-8")
        )
        for folder in folders
        for path in sorted(folder.iterdir())
        if path.suffix in TYPES
    }


def files() -> dict[str, File]:
    """The files of the features that are on. In development a reload of the page shows what was changed."""
    if settings.environment == "dev":
        read_files.cache_clear()
    return {path: file for path, file in read_files().items() if _is_on(file.feature)}


def _is_on(feature: str) -> bool:
    module = sys.modules.get(f"app.features.{feature}.feature")  # imported by app/features/__init__.py, or not there
    return module is not None and bool(vars(module)[feature].is_on())


def page(name: str) -> str | None:
    """The HTML of a page, of this feature or another one; None if there is none of this name."""
    present = files()
    pages = {Path(path).stem: path for path in _whole_pages(present)}
    return put_together(pages[name], present) if name in pages else None


def _whole_pages(present: dict[str, File]) -> Iterator[str]:
    """Other HTML files are parts, for a place in a page."""
    return (path for path, file in present.items() if file.content.startswith("<!doctype html>"))


def put_together(path: str, present: dict[str, File]) -> str:
    """Fill the places of a page: with what features add, and with what only the settings know."""
    content = present[path].content
    values = {
        "project": str(PROJECT["name"]),
        "pages": str(pages_path()),
        "files": f"{pages_path()}/files",
        "password_min_length": str(settings.password_min_length),
        "origins": " ".join(settings.named_cors_origins),
    }
    places = [name for name in Template(content).get_identifiers() if name not in {*values, "scripts"}]
    parts = {name: "".join(present[part].content for part in _named(f"{name}.html", present)) for name in places}
    scripts = [script for name in places for script in _named(f"{name}.js", present)]
    scripts += [str(Path(path).with_suffix(".js"))]
    tags = [f'<script type="module" src="$files/{script}"></script>' for script in scripts if script in present]
    whole = Template(content).safe_substitute(parts, scripts="\n  ".join(tags))
    return Template(whole).safe_substitute({name: html.escape(value) for name, value in values.items()})


def _named(name: str, present: dict[str, File]) -> list[str]:
    """Other features' files of this name; they lie in folders `account_pages/`."""
    return [path for path in present if path.endswith(f"/account_pages/{name}")]
