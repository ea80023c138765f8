"""Metrics for Prometheus, on METRICS_PORT: a port of its own, which should not be publicly reachable.

Processes that share PROMETHEUS_MULTIPROC_DIR share the port, too, and each responds with the metrics of all of them.
Logins by outcome: `audit_events_total{event="login_succeeded"}`, `login_failed` and `login_throttled`.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.config import settings
from app.core.database import database

logger = logging.getLogger("app.metrics")

# A route is its function's name, as in the log. Paths and methods are no labels, as clients can make them up.
REQUESTS = Counter("http_requests", "Completed requests", ["route", "status"])
DURATION = Histogram("http_request_duration_seconds", "Duration of requests", ["route"])
IN_FLIGHT = Gauge("http_requests_in_flight", "Requests in progress", multiprocess_mode="livesum")
POOL_IN_USE = Gauge("database_connections_in_use", "Connections taken from the pool", multiprocess_mode="livesum")
POOL_SIZE = Gauge("database_pool_size", "Connections that the pool may hold", multiprocess_mode="livesum")
AUDIT_EVENTS = Counter("audit_events", "Lines of the audit log", ["event"])

SAMPLE_INTERVAL: Final = 0.05  # seconds
SCRAPE_TIMEOUT: Final = 5  # seconds
MAX_CONNECTIONS: Final = 20  # one more closes the oldest, which must be stalling
_connections: Final[list[asyncio.StreamWriter]] = []


class _AuditCounter(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        AUDIT_EVENTS.labels(record.__dict__["event"]).inc()


logging.getLogger("app.audit").addHandler(_AuditCounter())


class Metrics:
    """Counts and times requests, and serves scrapes while the application runs."""

    def __init__(self, app: ASGIApp, port: int, events: Sequence[str]) -> None:
        for event in events:  # from the start: otherwise an alert on the rate would miss the first one
            AUDIT_EVENTS.labels(event)
        self.app = app
        self.port = port
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            try:
                server = await listen(self.port)
            except OSError as error:
                # Not an exception: a web server may log that and keep serving.
                await receive()
                logger.critical("METRICS_PORT %s can't be used: %s", self.port, error)
                await send({"type": "lifespan.startup.failed", "message": "METRICS_PORT can't be used"})
                return
            async with server, _recorded(self._sample):
                await self.app(scope, receive, send)
            return
        begun = perf_counter()
        self.in_flight += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.in_flight -= 1
            route = getattr(scope.get("endpoint"), "__name__", "none")
            requests, duration = _of_route(route, scope.get("state", {}).get("status", 0))
            requests.inc()
            duration.observe(perf_counter() - begun)

    def _sample(self) -> None:
        # At intervals instead of with every request: a scrape sees only one moment anyway.
        IN_FLIGHT.set(self.in_flight)
        POOL_IN_USE.set(database.connections_in_use)


@cache  # there are few of them, and looking one up takes longer than counting
def _of_route(route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(route, status), DURATION.labels(route)


async def listen(port: int) -> asyncio.Server:
    """Serve scrapes in the event loop, where a client that only stays connected costs next to nothing.

    prometheus_client's own server has a thread for each connection, without a bound: 400 idle clients had 412 threads.
    """
    registry = REGISTRY
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder:
        _forget_killed_processes(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _connections.append(writer)
        if len(_connections) > MAX_CONNECTIONS:
            _connections[0].transport.abort()
        writer.transport.set_write_buffer_limits(0)  # so that `drain` waits for all of it
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(SCRAPE_TIMEOUT):
                await reader.readuntil(b"\r\n\r\n")
                body = await asyncio.to_thread(generate_latest, registry)
                head = f"Content-Type: {CONTENT_TYPE_PLAIN_0_0_4}\r\nContent-Length: {len(body)}\r\nConnection: close"
                writer.write(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + body)
                await writer.drain()
        _connections.remove(writer)
        writer.transport.abort()

    # Every process listens on the same port.
    reuse_port = hasattr(socket, "SO_REUSEPORT")
    return await asyncio.start_server(respond, port=port, family=socket.AF_INET, reuse_port=reuse_port)


@asynccontextmanager
async def _recorded(sample: Callable[[], None]) -> AsyncIterator[None]:
    async def keep_sampling() -> None:
        while True:
            sample()
            await asyncio.sleep(SAMPLE_INTERVAL)

    POOL_SIZE.set(settings.database_pool_size)
    sampling = asyncio.create_task(keep_sampling())
    try:
        yield
    finally:
        sampling.cancel()
        for connection in _connections:
            connection.transport.abort()
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]


def _forget_killed_processes(folder: Path) -> None:
    """Remove the gauges of killed processes, which would count forever."""
    for path in folder.glob("gauge_live*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
