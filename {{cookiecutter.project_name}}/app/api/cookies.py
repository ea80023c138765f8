"""The cookie with a browser's refresh token.

Any website can make a browser send requests with cookies, so these routes check where a request comes from. No other
route looks at a cookie. SECURITY.md says why this check is enough.
"""

from typing import Annotated, Any, Final

from fastapi import Cookie, HTTPException, Request, Response, status

from app.api.errors import ANOTHER_SITE, documented
from app.auth.sessions import Tokens
from app.core.config import settings
from app.core.origins import web_origin
from app.schemas.responses import BrowserTokenResponse

COOKIE: Final = "__Secure-refresh_token"  # browsers accept this prefix only over HTTPS, and from this machine
FOREIGN: Final = documented(403, ANOTHER_SITE)

RefreshCookie = Annotated[str, Cookie(alias=COOKIE)]


async def refuse_other_sites(request: Request) -> None:
    """Raises the 403 of a request whose browser says that the page is neither ours nor one of BACKEND_CORS_ORIGINS."""
    origin = request.headers.get("Origin")
    if origin is None:
        is_ours = request.headers.get("Sec-Fetch-Site", "none") in {"same-origin", "none"}
    else:
        is_ours = origin in {settings.public_url, *_own_origins(request), *settings.named_cors_origins}
    if not is_ours:
        raise HTTPException(status.HTTP_403_FORBIDDEN, ANOTHER_SITE)


def _own_origins(request: Request) -> set[str]:
    """The origins of pages that came from the host of this request."""
    # Behind a proxy that ends TLS, the scheme that we see isn't the browser's. Where PUBLIC_URL is https, a page that
    # came over plain HTTP isn't ours: anybody in the network could have put it there.
    is_https = (settings.public_url or "").startswith("https:")
    schemes = {"https"} if is_https else {"https", request.url.scheme}
    try:
        return {web_origin(f"{scheme}://{request.headers.get('Host', '')}") for scheme in schemes}
    except ValueError:  # a host that no page can have
        return set()


def with_cookie(tokens: Tokens, response: Response) -> BrowserTokenResponse:
    """Put the refresh token into the cookie, and the rest into the response."""
    max_age = tokens.refresh_token_expires_at - tokens.issued_at
    response.set_cookie(value=tokens.refresh_token, max_age=max_age, **_attributes())
    return BrowserTokenResponse.model_validate(tokens)


def clear_cookie(response: Response) -> None:
    response.delete_cookie(**_attributes())


def _attributes() -> dict[str, Any]:
    path = f"{settings.api_prefix}/auth/browser"
    return {"key": COOKIE, "path": path, "secure": True, "httponly": True, "samesite": "strict"}
