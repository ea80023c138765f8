"""A way to log in, written once: one route responds with the refresh token, another one puts it into the cookie."""

from collections.abc import Awaitable, Callable
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Response

from app.api.cookies import FOREIGN, refuse_other_sites, with_cookie
from app.api.errors import BODY, RATE_LIMITED
from app.api.oauth_errors import OAuthRoute, Refusal, with_codes
from app.auth.sessions import Tokens
from app.schemas.responses import BrowserTokenResponse, TokenResponse


class Mount(NamedTuple):
    """Where a router hangs: at a path below API_PREFIX; at the root, if the path is None."""

    path: str | None
    router: APIRouter
    has_login_steps: bool = False  # so that what they refuse is documented


def login_routes(path: str, log_in: Callable[..., Awaitable[Tokens]], *refusals: Refusal) -> list[Mount]:
    """The routers for `/auth` and `/auth/browser`, with a route at this path that calls `log_in`.

    `log_in` declares what it needs as any route does. Its name and docstring become those of the routes.
    """
    router = APIRouter(route_class=OAuthRoute)
    browser = APIRouter(route_class=OAuthRoute, dependencies=[Depends(refuse_other_sites)])

    async def log_in_for_token(tokens: Annotated[Tokens, Depends(log_in)]) -> TokenResponse:
        return TokenResponse.model_validate(tokens)

    async def log_in_for_cookie(tokens: Annotated[Tokens, Depends(log_in)], response: Response) -> BrowserTokenResponse:
        return with_cookie(tokens, response)

    for route, name in ((log_in_for_token, log_in.__name__), (log_in_for_cookie, f"{log_in.__name__}_browser")):
        route.__name__ = name  # what the request log shows
    router.post(path, responses=with_codes(BODY | RATE_LIMITED, *refusals), description=log_in.__doc__)(
        log_in_for_token
    )
    browser.post(
        path,
        responses=with_codes(BODY | RATE_LIMITED | FOREIGN, *refusals),
        description=f"{log_in.__doc__}\n\nFor browsers: the refresh token becomes a cookie.",
    )(log_in_for_cookie)
    return [Mount("/auth", router, has_login_steps=True), Mount("/auth/browser", browser, has_login_steps=True)]
