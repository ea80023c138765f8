"""The specification (OpenAPI) as tools want it: what FastAPI doesn't fill in by itself."""

import inspect
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.api.error_schemas import referred_to
from app.api.errors import RATE_LIMITED
from app.api.grants import grants
from app.auth.caller import bearers
from app.auth.scopes import SCOPES

LOG_IN: Final = "/auth/access-token"
FIRST_TAG: Final = "auth"
PASTE: Final = f"""Paste an access token here if the form can't log in: where more than a password is needed, for one.
Every route that logs in returns one. With `API` for the address of the API, this does the same as the form:

    curl "$API{LOG_IN}" --data-urlencode username=ana@example.com --data-urlencode password=…
"""


def complete_specification(app: FastAPI, prefix: str) -> None:
    """Have `app.openapi()` describe the tags, say of public routes that they are, and where tokens come from.

    Who reads it logs in first, so that comes first.
    """
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = generate()
            url = f"{prefix}{LOG_IN}"
            schema["tags"] = sorted(_tags(app), key=lambda tag: tag["name"] != FIRST_TAG)
            schemas = schema["components"]["schemas"] | referred_to()
            schema["components"]["schemas"] = dict(sorted(schemas.items()))
            schema["paths"] = dict(sorted(schema["paths"].items(), key=lambda path: path[0] != url))
            for operations in schema["paths"].values():
                for operation in operations.values():
                    security = operation.setdefault("security", [])
                    if security:
                        security.append({"access_token": []})
                        if bearers:  # which may limit wrong ones
                            operation["responses"].setdefault("429", RATE_LIMITED[429])
            schemes = schema["components"].get("securitySchemes", {})
            for scheme in schemes.values():
                # Swagger UI resolves a relative URL against the server, other tools against the document.
                scheme["flows"]["password"] |= {"tokenUrl": url, "refreshUrl": url, "scopes": SCOPES}
                scheme["flows"] |= {grant.flow: {"tokenUrl": url, "scopes": SCOPES} for grant in grants.values()}
                scheme["description"] = "The username is the email address."
            schemes["access_token"] = {"type": "http", "scheme": "bearer", "description": PASTE}
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # as FastAPI's documentation shows


def _tags(app: FastAPI) -> list[dict[str, str]]:
    """Each tag is described by the docstring of the file that has its first route."""
    tags: dict[str, str] = {}
    for route in iter_route_contexts(app.routes):
        for tag in getattr(route, "tags", ()):
            tags.setdefault(str(tag), inspect.getdoc(inspect.getmodule(route.endpoint)) or "")
    return [{"name": name, "description": description} for name, description in tags.items()]
