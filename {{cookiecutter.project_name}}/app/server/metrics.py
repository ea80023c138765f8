"""Metrics for Prometheus, on METRICS_PORT: a port of its own, which no public address should lead to.

Processes that share PROMETHEUS_MULTIPROC_DIR share the port, too, and each answers for all of them.
Logins by outcome: `http_requests_total{route="login_access_token"}`, whose status is 200, 400 (refused) or 429.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from socketserver import ThreadingMixIn
from threading import Thread
from time import perf_counter
from typing import Any, Final, get_args
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, make_wsgi_app
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from starlette.types import ASGIApp, Receive, Scope, Send

from app.auth.audit import Event
from app.auth.audit import logger as audit_logger
from app.core.config import settings
from app.core.database import database

# A route is its function's name, as in the log. What a client makes up, a path or a method, is no label.
REQUESTS = Counter("http_requests", "Requests answered", ["route", "status"])
DURATION = Histogram("http_request_duration_seconds", "How long their answers took", ["route"])
IN_FLIGHT = Gauge("http_requests_in_flight", "Requests being answered", multiprocess_mode="livesum")
POOL_IN_USE = Gauge("database_connections_in_use", "Connections taken from the pool", multiprocess_mode="livesum")
POOL_SIZE = Gauge("database_pool_size", "The most that can be taken", multiprocess_mode="livesum")


AUDIT_EVENTS = Counter("audit_events", "Lines of the audit log", ["event"])
for event in get_args(Event):  # from the start, or an alert on the rate would miss the first one
    AUDIT_EVENTS.labels(event)


class _AuditCounter(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        AUDIT_EVENTS.labels(record.__dict__["event"]).inc()


audit_logger.addHandler(_AuditCounter())

POLL_INTERVAL: Final = 0.05  # seconds; the end may take as long


class Metrics:
    """Counts and times requests, and answers scrapes for as long as the application runs."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self.app = app
        self.port = port
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            with _served(self.port, self._sample):
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
        # Every so often instead of with every request: a scrape sees one moment anyway.
        IN_FLIGHT.set(self.in_flight)
        POOL_IN_USE.set(database.connections_in_use)


@cache  # there are few of them, and to look one up takes longer than to count
def _of_route(route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(route, status), DURATION.labels(route)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    allow_reuse_port = True  # every process listens
    service_actions: Callable[[], None]  # called every POLL_INTERVAL


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def _served(port: int, sample: Callable[[], None]) -> Iterator[None]:
    POOL_SIZE.set(settings.database_pool_size)
    registry = REGISTRY
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder:
        _forget_killed_processes(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    server = make_server("", port, make_wsgi_app(registry), _Server, _SilentHandler)
    server.service_actions = sample
    Thread(target=server.serve_forever, args=[POLL_INTERVAL], daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        if folder:
            mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]


def _forget_killed_processes(folder: Path) -> None:
    """What they were doing when they were killed would count for ever."""
    for path in folder.glob("gauge_live*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
