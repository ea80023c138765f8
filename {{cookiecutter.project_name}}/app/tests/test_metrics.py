"""What Prometheus finds."""

import asyncio
import socket
from typing import Any

from httpx import ASGITransport, AsyncClient
from starlette.types import Receive, Scope, Send

from app.core.config import settings
from app.core.metrics import Metrics
from app.main import app


async def nothing(*_: object) -> Any:
    """What a server says to, and hears from, an application that only runs."""


async def test_requests_are_counted_by_route_and_status_on_a_port_of_their_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    begun, ended = asyncio.Event(), asyncio.Event()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await app(scope, receive, send)
        else:
            begun.set()
            await ended.wait()

    metrics = Metrics(serve, port)
    transport = ASGITransport(metrics)
    async with (
        asyncio.TaskGroup() as tasks,
        AsyncClient(
            transport=transport, base_url=f"https://{settings.allowed_hosts[0]}{settings.api_prefix}"
        ) as client,
        AsyncClient(base_url=f"http://127.0.0.1:{port}") as prometheus,
    ):
        tasks.create_task(metrics({"type": "lifespan"}, nothing, nothing))
        await begun.wait()
        await client.get("/users/me")
        await client.get("/made/up")
        text = (await prometheus.get("/metrics")).text
        ended.set()
    assert 'http_requests_total{route="read_current_user",status="401"} 1.0' in text
    assert 'http_requests_total{route="none",status="404"} 1.0' in text
    assert "made" not in text
    assert f"database_pool_size {settings.database_pool_size}.0" in text
