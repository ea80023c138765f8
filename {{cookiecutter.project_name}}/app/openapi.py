"""Writes the description of the API into openapi.json: `python -m app.openapi`."""

import json

from app.api.api import add_mail_routes
from app.core.config import PROJECT_DIR, settings
from app.main import app

PATH = PROJECT_DIR / "openapi.json"


def describe() -> str:
    """The same text whatever the settings: paths come without API_PREFIX."""
    if settings.mail_url is None:
        add_mail_routes(app, settings.api_prefix)
    schema = app.openapi()
    paths = {path.removeprefix(settings.api_prefix): routes for path, routes in schema["paths"].items()}
    return json.dumps(schema | {"paths": paths}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(describe(), encoding="utf-8")
