"""For browser applications: the refresh token is in a cookie that no script reads, the access token in the answer.

Any website can make a browser send requests with cookies, so these routes check where a request comes from. No other
route looks at a cookie. SECURITY.md says why this check is enough.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Cookie, Depends, Form, HTTPException, Request, Response, status

from app.api.deps import Autocommit, ClientIp
from app.api.errors import (
    ANOTHER_SITE,
    EMAIL_NOT_VERIFIED,
    INCORRECT_EMAIL_OR_PASSWORD,
    INVALID_REFRESH_TOKEN,
    RATE_LIMITED,
    body_refused,
    documented,
)
from app.api.grants import Device, log_in, refresh
from app.api.oauth import OAuthError, OAuthRoute, with_codes
from app.auth.sessions import Tokens, end_session_of
from app.core.config import settings
from app.schemas.requests import LoginForm
from app.schemas.responses import BrowserTokenResponse

COOKIE: Final = "__Secure-refresh_token"  # browsers take that name over HTTPS only, and from this machine

RefreshCookie = Annotated[str, Cookie(alias=COOKIE)]


async def refuse_other_sites(request: Request) -> None:
    """Raises the 403 of a request whose browser says that the page is neither ours nor one of BACKEND_CORS_ORIGINS."""
    origin = request.headers.get("Origin")
    if origin is None:
        is_ours = request.headers.get("Sec-Fetch-Site", "none") in {"same-origin", "none"}
    else:
        host = request.headers.get("Host")
        # Behind a proxy that ends TLS, the scheme that we see isn't the browser's.
        own = {f"https://{host}", f"{request.url.scheme}://{host}", settings.public_url}
        is_ours = origin in own or origin in settings.named_cors_origins
    if not is_ours:
        raise HTTPException(status.HTTP_403_FORBIDDEN, ANOTHER_SITE)


router = APIRouter(route_class=OAuthRoute, dependencies=[Depends(refuse_other_sites)])
FOREIGN = documented(403, ANOTHER_SITE)


@router.post(
    "/login",
    responses=with_codes(
        documented(403, ANOTHER_SITE, EMAIL_NOT_VERIFIED) | body_refused(INCORRECT_EMAIL_OR_PASSWORD) | RATE_LIMITED,
        {INCORRECT_EMAIL_OR_PASSWORD: "invalid_grant", EMAIL_NOT_VERIFIED: "email_not_verified"},
    ),
)
async def log_in_browser(
    form: Annotated[LoginForm, Form()], client_ip: ClientIp, device: Device, autocommit: Autocommit, response: Response
) -> BrowserTokenResponse:
    """Log in; the refresh token becomes a cookie."""
    tokens = await log_in(autocommit, form.username, form.password, client_ip, device)
    return _answer(tokens, response)


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
        _clear_cookie(response)
        error.headers = {"Set-Cookie": response.headers["Set-Cookie"]}
        raise
    return _answer(tokens, response)


@router.post("/logout", status_code=status.HTTP_204_NO_CONTENT, responses=with_codes(FOREIGN))
async def log_out_browser(
    client_ip: ClientIp, autocommit: Autocommit, response: Response, refresh_token: RefreshCookie = ""
) -> None:
    """End the session of the cookie, and clear it."""
    await end_session_of(autocommit, refresh_token, client_ip)
    _clear_cookie(response)


def _answer(tokens: Tokens, response: Response) -> BrowserTokenResponse:
    max_age = tokens.refresh_token_expires_at - tokens.issued_at
    response.set_cookie(
        COOKIE, tokens.refresh_token, max_age, path=_path(), secure=True, httponly=True, samesite="strict"
    )
    return BrowserTokenResponse.model_validate(tokens)


def _clear_cookie(response: Response) -> None:
    response.delete_cookie(COOKIE, path=_path(), secure=True, httponly=True, samesite="strict")


def _path() -> str:
    return f"{settings.api_prefix}/auth/browser"
