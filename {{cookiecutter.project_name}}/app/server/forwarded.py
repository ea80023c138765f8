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
            for name, _ in scope["headers"]:
                if name.startswith(b"x-forwarded-"):
                    self._warn_of_stranger(scope["client"][0])
        await self.app(scope, receive, send)

    def _warn_of_stranger(self, peer: str) -> None:
        if not (self.warned or _is_trusted(peer)):
            self.warned = True
            logger.warning(
                "Ignoring X-Forwarded headers from %s. If this is your proxy, add it to TRUSTED_PROXIES:"
                " until then, all its clients share one IP address and its rate limits. This is logged once.",
                peer,
            )


@lru_cache(maxsize=1024)
def _is_trusted(peer: str) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:  # a Unix socket, for example
        return False
    return any(address in network for network in settings.trusted_proxies)
