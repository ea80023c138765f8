"""Which proxies may name a client's IP address."""

import logging
from functools import lru_cache
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.config import settings

logger = logging.getLogger("app.forwarded")


class ForwardedFor:
    """Accepts X-Forwarded-* from TRUSTED_PROXIES; warns once if another peer, perhaps a forgotten proxy, sends it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.warned = False
        if settings.trusted_proxies:
            from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware  # noqa: PLC0415 — loads half of uvicorn

            self.app = ProxyHeadersMiddleware(app, [str(network) for network in settings.trusted_proxies])  # type: ignore[arg-type,assignment]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.warned and scope["type"] == "http" and scope["client"]:
            is_forwarded = any(name.startswith(b"x-forwarded-") for name, _ in scope["headers"])
            if is_forwarded and not _is_trusted(peer := scope["client"][0]):
                self.warned = True
                logger.warning(
                    "Ignoring X-Forwarded headers from %s. If this is your proxy, add it to TRUSTED_PROXIES:"
                    " until then, all its clients share one IP address and its rate limits. This is logged once.",
                    peer,
                )
        await self.app(scope, receive, send)


@lru_cache(maxsize=1024)
def _is_trusted(peer: str) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:  # a Unix socket, for example
        return False
    return any(address in network for network in settings.trusted_proxies)
