"""Whose word for a client's IP address counts."""

import logging
from functools import lru_cache
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.config import settings

logger = logging.getLogger("app.forwarded")


class ForwardedFor:
    """Accepts X-Forwarded-* from TRUSTED_PROXIES, or across TRUSTED_PROXY_HOPS.

    It warns once if another peer, perhaps a forgotten proxy, sends them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.warned = False
        if settings.trusted_proxies:
            from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware  # noqa: PLC0415 — loads half of uvicorn

            self.app = ProxyHeadersMiddleware(app, [str(network) for network in settings.trusted_proxies])  # type: ignore[arg-type,assignment]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if settings.trusted_proxy_hops and scope["type"] != "lifespan":
            _look_past_proxies(scope, settings.trusted_proxy_hops)
        elif not self.warned and scope["type"] == "http" and scope["client"]:
            is_forwarded = any(name.startswith(b"x-forwarded-") for name, _ in scope["headers"])
            if is_forwarded and not _is_trusted(peer := scope["client"][0]):
                self.warned = True
                logger.warning(
                    "Ignoring X-Forwarded headers from %s. If this is your proxy, add it to TRUSTED_PROXIES or, if its"
                    " address changes, set TRUSTED_PROXY_HOPS: until then, all its clients share one IP address and its"
                    " rate limits. This is logged once.",
                    peer,
                )
        await self.app(scope, receive, send)


def _look_past_proxies(scope: Scope, hops: int) -> None:
    """Each proxy appends whom it got the request from, so the outermost one's word is this many from the right.

    A client can make up what stands before. Where it isn't an address, or the list is shorter, the request didn't come
    through all proxies, and nobody vouches for any of it: then the peer of the connection is the client.
    """
    headers = scope["headers"]
    entries = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin-1").split(",")
    entry = entries[-hops].strip() if len(entries) >= hops else ""
    # Some write a port behind: 198.51.100.1:5000 or [2001:db8::1]:5000.
    host = entry[1:].partition("]")[0] if entry.startswith("[") else entry
    host = host.partition(":")[0] if host.count(":") == 1 else host
    try:
        scope["client"] = (str(ip_address(host)), 0)
    except ValueError:
        return
    schemes = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-proto"]
    if schemes and schemes[-1] in {"http", "https"}:
        scope["scheme"] = schemes[-1].replace("http", "ws") if scope["type"] == "websocket" else schemes[-1]


@lru_cache(maxsize=1024)
def _is_trusted(peer: str) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:  # a Unix socket, for example
        return False
    return any(address in network for network in settings.trusted_proxies)
