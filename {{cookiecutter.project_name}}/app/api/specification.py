"""The specification (OpenAPI) as tools want it: what FastAPI doesn't fill in by itself."""

import inspect
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app.api.errors import TOO_MANY_ATTEMPTS
from app.api.grants import grants
from app.auth.caller import bearers
from app.auth.scopes import SCOPES

# Features may limit wrong bearer tokens.
_TOO_MANY: Final = {
    "description": TOO_MANY_ATTEMPTS,
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}},
    "headers": {"Retry-After": {"schema": {"type": "string"}}},
}


def complete_specification(app: FastAPI, prefix: str) -> None:
    """Have `app.openapi()` describe the tags, say of public routes that they are, and where tokens come from."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = generate()
            schema["tags"] = _tags(app)
            for operations in schema["paths"].values():
                for operation in operations.values():
                    if operation.setdefault("security", []) and bearers:
                        operation["responses"].setdefault("429", _TOO_MANY)
            for scheme in schema["components"].get("securitySchemes", {}).values():
                # Swagger UI reads it relative to the server, others relative to the document: absolute, it is right.
                url = f"{prefix}/auth/access-token"
                scheme["flows"]["password"] |= {"tokenUrl": url, "refreshUrl": url, "scopes": SCOPES}
                for grant in grants.values():
                    scheme["flows"][grant.flow] = {"tokenUrl": url, "scopes": SCOPES}
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # as FastAPI's documentation shows


def _tags(app: FastAPI) -> list[dict[str, str]]:
    """Each is described by the docstring of the file that has its first route."""
    tags: dict[str, str] = {}
    for route in iter_route_contexts(app.routes):
        for tag in getattr(route, "tags", ()):
            tags.setdefault(str(tag), inspect.getdoc(inspect.getmodule(route.endpoint)) or "")
    return [{"name": name, "description": description} for name, description in tags.items()]
