"""Writes the description of the API to openapi.json: `python -m app.openapi`.

Commit it if clients are generated from it: from then on, a test compares it with the code.
"""

import json

from app.core.config import PROJECT_DIR, settings
from app.main import create_app

PATH = PROJECT_DIR / "openapi.json"


def describe() -> str:
    """The description as JSON, the same whatever the settings: with every route, and without API_PREFIX."""
    schema = create_app(with_every_route=True).openapi()
    paths = {path.removeprefix(settings.api_prefix): routes for path, routes in schema["paths"].items()}
    text = json.dumps(schema | {"paths": paths}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    return text.replace(f'"{settings.api_prefix}/auth/access-token"', '"/auth/access-token"')


if __name__ == "__main__":
    PATH.write_text(describe(), encoding="utf-8")
