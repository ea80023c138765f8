"""Metrics for Prometheus."""

import asyncio
import select
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import pytest
from fastapi import FastAPI
from starlette.types import Message

from app.server import metrics
from app.tests.helpers import PATIENCE, client_at, counted, free_port, scrape, try_login
from app.tests.other_settings import other_application


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[None]:
    """Start and stop the application as a server does."""
    events, sent = asyncio.Queue[Message](), asyncio.Queue[Message]()
    lifespan = asyncio.create_task(app({"type": "lifespan"}, events.get, sent.put))
    await events.put({"type": "lifespan.startup"})
    assert await sent.get() == {"type": "lifespan.startup.complete"}
    yield
    await events.put({"type": "lifespan.shutdown"})
    await lifespan


async def test_requests_and_audit_events_are_counted(empty_tables: None) -> None:
    port = free_port()
    async with other_application(METRICS_PORT=str(port)) as app, running(app):
        before = counted(await asyncio.to_thread(scrape, port))
        client = client_at("198.51.100.1", app)
        for path in ("/health/live", "/users/me", "/nowhere/swordfish"):
            await client.get(path)
        await try_login(client, "swordfish@example.com")
        scraped = await asyncio.to_thread(scrape, port)
    after = counted(scraped)
    for name in (
        'http_requests_total{route="live",status="200"}',
        'http_requests_total{route="read_current_user",status="401"}',
        'http_request_duration_seconds_count{route="live"}',
        'audit_events_total{event="login_failed"}',
    ):
        assert after[name] == before.get(name, 0) + 1
    assert 'audit_events_total{event="account_deleted"}' in before  # counted as 0 from the start
    assert "swordfish" not in scraped  # what clients make up doesn't become a label


async def closed(clients: list[socket.socket], at_least: int) -> int:
    """How many of these connections the server has closed, once they are enough."""
    async with asyncio.timeout(PATIENCE):
        while True:
            count = len(select.select(clients, [], [], 0)[0])
            if count >= at_least:
                return count
            await asyncio.sleep(0.01)


async def test_idle_clients_tie_up_neither_threads_nor_the_port(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "SCRAPE_TIMEOUT", PATIENCE)
    port = free_port()
    with ExitStack() as idle:
        async with other_application(METRICS_PORT=str(port)) as app, running(app):
            await asyncio.to_thread(scrape, port)
            threads = threading.active_count()
            clients = [
                idle.enter_context(await asyncio.to_thread(socket.create_connection, ("127.0.0.1", port)))
                for _ in range(200)
            ]
            assert "http_requests_total" in await asyncio.to_thread(scrape, port)
            assert threading.active_count() <= threads + 2
            assert await closed(clients, at_least=180) < 200
        assert await closed(clients, at_least=200) == 200
    await asyncio.sleep(0)
    assert not caplog.records


async def test_a_slow_client_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "SCRAPE_TIMEOUT", 0.05)
    port = free_port()
    async with other_application(METRICS_PORT=str(port)) as app, running(app):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\n")
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""
        writer.close()


async def test_startup_fails_if_the_port_is_taken(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        async with other_application(METRICS_PORT=str(port)) as app:
            events, sent = asyncio.Queue[Message](), asyncio.Queue[Message]()
            await events.put({"type": "lifespan.startup"})
            await app({"type": "lifespan"}, events.get, sent.put)
    assert sent.get_nowait()["type"] == "lifespan.startup.failed"
    assert f"METRICS_PORT {port} can't be used" in capfd.readouterr().out
