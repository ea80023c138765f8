"""For browser applications: the refresh token is in a cookie that no script reads, the access token in the response."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Response, status

from app.api.cookies import FOREIGN, RefreshCookie, clear_cookie, refuse_other_sites, with_cookie
from app.api.deps import Autocommit, ClientIp
from app.api.errors import (
    ANOTHER_SITE,
    EMAIL_NOT_VERIFIED,
    INCORRECT_EMAIL_OR_PASSWORD,
    INVALID_REFRESH_TOKEN,
    RATE_LIMITED,
    SECOND_FACTOR_REQUIRED,
    body_refused,
    documented,
)
from app.api.grants import Device, log_in, refresh
from app.api.oauth import OAuthError, OAuthRoute, with_codes
from app.auth.sessions import end_session_of
from app.schemas.requests import LoginForm
from app.schemas.responses import BrowserTokenResponse

router = APIRouter(route_class=OAuthRoute, dependencies=[Depends(refuse_other_sites)])


@router.post(
    "/login",
    responses=with_codes(
        documented(403, ANOTHER_SITE, EMAIL_NOT_VERIFIED, SECOND_FACTOR_REQUIRED)
        | body_refused(INCORRECT_EMAIL_OR_PASSWORD)
        | RATE_LIMITED,
        {
            EMAIL_NOT_VERIFIED: "email_not_verified",
            INCORRECT_EMAIL_OR_PASSWORD: "invalid_grant",
            SECOND_FACTOR_REQUIRED: "mfa_required",
        },
    ),
)
async def log_in_browser(
    form: Annotated[LoginForm, Form()], client_ip: ClientIp, device: Device, autocommit: Autocommit, response: Response
) -> BrowserTokenResponse:
    """Log in; the refresh token becomes a cookie."""
    tokens = await log_in(autocommit, form.username, form.password, client_ip, device)
    return with_cookie(tokens, response)


@router.post(
    "/refresh",
    responses=with_codes(FOREIGN | documented(400, INVALID_REFRESH_TOKEN), {INVALID_REFRESH_TOKEN: "invalid_grant"}),
)
async def refresh_browser(
    client_ip: ClientIp, autocommit: Autocommit, response: Response, refresh_token: RefreshCookie = ""
) -> BrowserTokenResponse:
    """Change the cookie, once, for a new one and a new access token."""
    try:
        tokens = await refresh(autocommit, refresh_token, client_ip)
    except OAuthError as error:
        clear_cookie(response)
        error.headers = {"Set-Cookie": response.headers["Set-Cookie"]}
        raise
    return with_cookie(tokens, response)


@router.post("/logout", status_code=status.HTTP_204_NO_CONTENT, responses=with_codes(FOREIGN))
async def log_out_browser(
    client_ip: ClientIp, autocommit: Autocommit, response: Response, refresh_token: RefreshCookie = ""
) -> None:
    """End the session of the cookie, and clear it."""
    await end_session_of(autocommit, refresh_token, client_ip)
    clear_cookie(response)
