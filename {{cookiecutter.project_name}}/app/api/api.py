"""Where each router is mounted."""

from collections.abc import Sequence
from copy import copy

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute

from app.api.cookies import FOREIGN
from app.api.endpoints import auth, browser, docs, health, pets, token, users, well_known
from app.api.endpoints.reauthentication import reauthentication_router
from app.api.errors import UNAVAILABLE
from app.api.feature import Feature
from app.api.oauth_errors import with_codes
from app.core.config import settings


def add_routers(app: FastAPI, prefix: str, features: Sequence[Feature], *, with_every_route: bool) -> None:
    """Add each router, the busiest first: FastAPI tries their routes in turn."""
    app.include_router(users.router, prefix=f"{prefix}/users", tags=["users"], responses=UNAVAILABLE)
    app.include_router(pets.router, prefix=f"{prefix}/pets", tags=["pets"], responses=UNAVAILABLE)
    app.include_router(auth.router, prefix=f"{prefix}/auth", tags=["auth"], responses=UNAVAILABLE)
    app.include_router(reauthentication_router(), prefix=f"{prefix}/auth", tags=["auth"], responses=UNAVAILABLE)
    refusals = [refusal for feature in features for refusal in feature.login_refusals]
    refused, refused_in_browser = with_codes({}, *refusals) | UNAVAILABLE, with_codes(FOREIGN, *refusals) | UNAVAILABLE
    app.include_router(token.login_router(), prefix=f"{prefix}/auth", tags=["auth"], responses=refused)
    app.include_router(token.router, prefix=f"{prefix}/auth", tags=["auth"], responses=UNAVAILABLE)
    browser_prefix = f"{prefix}/auth/browser"
    app.include_router(browser.login_router, prefix=browser_prefix, tags=["browser"], responses=refused_in_browser)
    app.include_router(browser.router, prefix=browser_prefix, tags=["browser"], responses=UNAVAILABLE)
    for feature in features:
        if with_every_route or feature.is_on():
            for path, router, has_login_steps in feature.mounts:
                at = "" if path is None else prefix + path
                responses = refused if has_login_steps else UNAVAILABLE
                app.include_router(router, prefix=at, tags=[feature.name], responses=responses)
    app.include_router(health.router, prefix=prefix, tags=["health"])
    app.include_router(well_known.router, tags=["well-known"])
    if settings.docs:
        app.include_router(docs.router, prefix=prefix)
        app.mount(f"{prefix}/docs-assets", docs.assets)
    if prefix:  # probes expect these routes without a prefix, and behind some proxies nothing else is reached
        app.include_router(health.router, include_in_schema=False)
        app.include_router(well_known.router, prefix=prefix, include_in_schema=False)
    put_routes_straight_into(app)


def put_routes_straight_into(app: FastAPI) -> None:
    """Replace the routers by their routes, with all that they have from their routers; one with a `frontend` stays.

    FastAPI would look for each request's router first, and then twice for the route in it: a tenth of `GET /users/me`.
    """
    routes: list[BaseRoute] = []
    for router in app.routes:
        if getattr(router, "effective_low_priority_routes", list)():  # its `frontend`, which comes after all routes
            routes.append(router)
            continue
        for found in iter_route_contexts([router]):
            route = copy(found.original_route)
            vars(route).update({name: getattr(found, name, value) for name, value in vars(route).items()})
            routes.append(route)
    app.router.routes[:] = routes
