"""Which router hangs where."""

from fastapi import FastAPI

from app.api.endpoints import auth, docs, health, pets, users
from app.api.endpoints.accounts import router as accounts_router
from app.api.errors import UNAVAILABLE
from app.core.config import settings


def add_routers(app: FastAPI, prefix: str) -> None:
    """Each goes straight into the application: a router that collects them would cost every request a few percent."""
    app.include_router(users.router, prefix=f"{prefix}/users", tags=["users"], responses=UNAVAILABLE)
    app.include_router(pets.router, prefix=f"{prefix}/pets", tags=["pets"], responses=UNAVAILABLE)
    app.include_router(auth.router, prefix=f"{prefix}/auth", tags=["auth"], responses=UNAVAILABLE)
    if settings.mail_url:
        add_mail_routes(app, prefix)
    app.include_router(health.router, prefix=prefix, tags=["health"])
    if settings.docs:
        app.include_router(docs.router, prefix=prefix)
        app.mount(f"{prefix}/docs-assets", docs.assets)
    if prefix:  # probes look where they always look
        app.include_router(health.router, include_in_schema=False)


def add_mail_routes(app: FastAPI, prefix: str) -> None:
    """Those that are only there with MAIL_URL."""
    app.include_router(accounts_router, prefix=prefix, tags=["accounts by mail"], responses=UNAVAILABLE)
