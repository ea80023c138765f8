"""The application, put together. Read this file first."""

if __name__ == "__main__":  # Python looks for the imports below in this file's folder then
    raise SystemExit("Run `make dev` instead, or in the project's folder: .venv/bin/python -m uvicorn app.main:app")

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.api.api import add_routers
from app.api.errors import ANY_ROUTE, add_error_handlers
from app.api.feature import connect
from app.api.specification import complete_specification
from app.auth.audit import EVENTS
from app.core.config import PROJECT, refuse_unknown_names, settings
from app.features import FEATURES
from app.server.forwarded import ForwardedFor
from app.server.lifespan import lifespan
from app.server.logging import set_up_logging
from app.server.middleware import (
    AllowedHosts,
    AsRoutesExpect,
    Cors,
    InputLimits,
    RequestLog,
    SecurityHeaders,
    ServerErrors,
)

connect(FEATURES)


def create_app(*, with_every_route: bool = False) -> FastAPI:
    """Build the application with the current settings, and with the routes that they enable."""
    set_up_logging()
    app = FastAPI(
        title=PROJECT["name"],
        version=PROJECT["version"],
        description=PROJECT["description"],
        contact={"name": PROJECT["authors"][0]["name"]},
        license_info={"name": PROJECT["license"], "identifier": PROJECT["license"]},
        responses=ANY_ROUTE,
        servers=[{"url": "/"}],
        openapi_url=f"{settings.api_prefix}/openapi.json" if settings.docs else None,
        docs_url=None,  # endpoints/docs.py serves the page, without a CDN
        redoc_url=None,
        lifespan=lifespan([feature.lifespan for feature in FEATURES if feature.lifespan]),
        generate_unique_id_function=operation_id,
        redirect_slashes=False,  # behind a TLS proxy, a redirect could send a password over plain HTTP
        # Unless switched off, FastAPI looks for an OpenTelemetry setup on every request.
        telemetry={
            "tracing": settings.tracing,
            "auto_configure": settings.tracing,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
        },
    )
    add_routers(app, settings.api_prefix, FEATURES, with_every_route=with_every_route)
    complete_specification(app, settings.api_prefix)
    add_error_handlers(app)
    add_middleware(app)
    return app


def operation_id(route: APIRoute) -> str:
    return route.name


def add_middleware(app: FastAPI) -> None:
    """Add the middleware; the one added last sees a request first."""
    app.add_middleware(InputLimits)
    app.add_middleware(AsRoutesExpect, api_prefix=settings.api_prefix)
    app.add_middleware(AllowedHosts, patterns=settings.allowed_hosts)
    app.add_middleware(ServerErrors)
    if settings.backend_cors_origins:
        app.add_middleware(
            Cors,
            origins=settings.backend_cors_origins,
            origins_with_cookies=settings.named_cors_origins,
            path_with_cookies=f"{settings.api_prefix}/auth/browser/",
        )
    app.add_middleware(RequestLog)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(ForwardedFor)
    if settings.metrics_port:
        from app.server.metrics import Metrics  # noqa: PLC0415 — loads prometheus_client only if it is used

        app.add_middleware(Metrics, port=settings.metrics_port, events=EVENTS)


refuse_unknown_names()
app = create_app()
