"""Puts the application together; read it first."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute

from app.api.api import add_routers
from app.api.errors import add_error_handlers
from app.core.config import PROJECT, settings
from app.core.database import database
from app.server.connections import warn_of_too_few_connections
from app.server.forwarded import ForwardedFor
from app.server.logging import set_up_logging
from app.server.middleware import AllowedHosts, InputLimits, RequestLog, SecurityHeaders
from app.server.shutdown import delay_shutdown

set_up_logging()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    delay_shutdown()
    await warn_of_too_few_connections()
    # What is imported by now stays: the collector need not walk it again and again, 30 ms each time.
    gc.collect()
    gc.freeze()
    yield
    await database.dispose()


def operation_id(route: APIRoute) -> str:
    return route.name


app = FastAPI(
    title=PROJECT["name"],
    version=PROJECT["version"],
    description=PROJECT["description"],
    openapi_url=f"{settings.api_prefix}/openapi.json" if settings.docs else None,
    docs_url=None,
    redoc_url=None,
    lifespan=lifespan,
    generate_unique_id_function=operation_id,
    redirect_slashes=False,  # they name the scheme as it seems here: behind TLS a password would go to plain HTTP
    # What is not asked for would be looked for at each request.
    telemetry={
        "tracing": settings.tracing,
        "auto_configure": settings.tracing,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
    },
)
add_routers(app, settings.api_prefix)
add_error_handlers(app)

# The last one added sees a request first.
app.add_middleware(InputLimits)
if settings.backend_cors_origins:
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.backend_cors_origins,
        allow_credentials=True,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["Link", "Retry-After", "WWW-Authenticate"],
    )
app.add_middleware(AllowedHosts, patterns=settings.allowed_hosts)
app.add_middleware(RequestLog)
app.add_middleware(SecurityHeaders)
app.add_middleware(ForwardedFor)
if settings.metrics_port:
    from app.server.metrics import Metrics

    app.add_middleware(Metrics, port=settings.metrics_port)
