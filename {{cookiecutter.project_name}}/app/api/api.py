"""Where each router is mounted."""

from fastapi import FastAPI

from app.api.endpoints import (
    accounts,
    auth,
    browser,
    docs,
    health,
    oauth,
    pets,
    second_factor,
    second_factor_page,
    users,
    well_known,
)
from app.api.errors import UNAVAILABLE
from app.core.config import settings


def add_routers(app: FastAPI, prefix: str, *, with_every_route: bool) -> None:
    """Add each router to the application itself: nested routers would slow every request down by a few percent."""
    app.include_router(users.router, prefix=f"{prefix}/users", tags=["users"], responses=UNAVAILABLE)
    app.include_router(pets.router, prefix=f"{prefix}/pets", tags=["pets"], responses=UNAVAILABLE)
    app.include_router(auth.router, prefix=f"{prefix}/auth", tags=["auth"], responses=UNAVAILABLE)
    app.include_router(oauth.router, prefix=f"{prefix}/auth", tags=["auth"], responses=UNAVAILABLE)
    app.include_router(browser.router, prefix=f"{prefix}/auth/browser", tags=["browser"], responses=UNAVAILABLE)
    for router, path in (
        (second_factor.router, "/auth"),
        (second_factor.login_router, "/auth"),
        (second_factor.browser_router, "/auth/browser"),
        (second_factor.users_router, "/users"),
    ):
        app.include_router(router, prefix=f"{prefix}{path}", tags=["second factor"], responses=UNAVAILABLE)
    if with_every_route or settings.rp_id is not None:
        from app.api.endpoints import passkeys  # noqa: PLC0415 — loads webauthn only where it is used

        for router, path in (
            (passkeys.router, "/auth"),
            (passkeys.login_router, "/auth"),
            (passkeys.browser_router, "/auth/browser"),
        ):
            app.include_router(router, prefix=f"{prefix}{path}", tags=["passkeys"], responses=UNAVAILABLE)
    if with_every_route or settings.mail_url is not None:
        app.include_router(accounts.router, prefix=prefix, tags=["accounts by mail"], responses=UNAVAILABLE)
    app.include_router(health.router, prefix=prefix, tags=["health"])
    app.include_router(well_known.router, tags=["well-known"])
    if settings.docs:
        app.include_router(docs.router, prefix=prefix)
        app.mount(f"{prefix}/docs-assets", docs.assets)
        app.include_router(second_factor_page.router, prefix=prefix)
        app.mount(f"{prefix}/docs-pages", second_factor_page.assets)
    if prefix:  # probes expect these routes without a prefix, and behind some proxies nothing else is reached
        app.include_router(health.router, include_in_schema=False)
        app.include_router(well_known.router, prefix=prefix, include_in_schema=False)
