"""For browser applications: the refresh token is in a cookie that no script reads, the access token in the response."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Response, status

from app.api.cookies import FOREIGN, RefreshCookie, clear_cookie, refuse_other_sites, with_cookie
from app.api.deps import Autocommit, CurrentClient
from app.api.errors import BODY, RATE_LIMITED
from app.api.grants import INCORRECT_LOGIN, INCORRECT_REFRESH_TOKEN, log_in, refresh
from app.api.oauth_errors import OAuthError, OAuthRoute, with_codes
from app.auth.sessions import end_session_of
from app.schemas.requests import LoginForm
from app.schemas.responses import BrowserTokenResponse

login_router = APIRouter(route_class=OAuthRoute, dependencies=[Depends(refuse_other_sites)])
router = APIRouter(route_class=OAuthRoute, dependencies=[Depends(refuse_other_sites)])


@login_router.post("/login", responses=with_codes(BODY | RATE_LIMITED, INCORRECT_LOGIN))
async def log_in_browser(
    form: Annotated[LoginForm, Form()], client: CurrentClient, autocommit: Autocommit, response: Response
) -> BrowserTokenResponse:
    """Log in; the refresh token becomes a cookie."""
    tokens = await log_in(autocommit, form.username, form.password, client)
    return with_cookie(tokens, response)


@router.post("/refresh", responses=with_codes(FOREIGN, INCORRECT_REFRESH_TOKEN))
async def refresh_browser(
    client: CurrentClient, autocommit: Autocommit, response: Response, refresh_token: RefreshCookie = ""
) -> BrowserTokenResponse:
    """Exchange the cookie, once, for a new one and a new access token."""
    try:
        tokens = await refresh(autocommit, refresh_token, client)
    except OAuthError as error:
        clear_cookie(response)
        error.headers = {"Set-Cookie": response.headers["Set-Cookie"]}
        raise
    return with_cookie(tokens, response)


@router.post("/logout", status_code=status.HTTP_204_NO_CONTENT, responses=with_codes(FOREIGN))
async def log_out_browser(
    client: CurrentClient, autocommit: Autocommit, response: Response, refresh_token: RefreshCookie = ""
) -> None:
    """End the session of the cookie, and clear it."""
    await end_session_of(autocommit, refresh_token, client)
    clear_cookie(response)
