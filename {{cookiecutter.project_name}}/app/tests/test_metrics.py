"""Metrics for Prometheus."""

import asyncio
import socket
from urllib.request import urlopen

from starlette.types import Message

from app.core.config import settings
from app.main import app
from app.tests.helpers import ask
from app.tests.processes import elsewhere


async def scrape() -> str:
    """What there is to scrape after a few requests; started and stopped as a server does it."""
    events, answers = asyncio.Queue[Message](), asyncio.Queue[Message]()
    running = asyncio.create_task(app({"type": "lifespan"}, events.get, answers.put))
    await events.put({"type": "lifespan.startup"})
    assert await answers.get() == {"type": "lifespan.startup.complete"}
    for path in ("/health/live", "/users/me", "/nowhere/swordfish"):
        await ask("GET", path)
    with await asyncio.to_thread(urlopen, f"http://127.0.0.1:{settings.metrics_port}/metrics") as response:
        metrics = response.read().decode()
    await events.put({"type": "lifespan.shutdown"})
    await running
    return str(metrics)


async def test_requests_are_counted_by_route_and_status() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    metrics = (await elsewhere({"METRICS_PORT": port}, scrape)).splitlines()
    assert 'http_requests_total{route="live",status="200"} 1.0' in metrics
    assert 'http_requests_total{route="read_current_user",status="401"} 1.0' in metrics
    assert 'http_request_duration_seconds_count{route="live"} 1.0' in metrics
    assert "swordfish" not in str(metrics)  # what clients make up is no label
