"""Metrics for Prometheus."""

import asyncio
import importlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.request import urlopen

from fastapi import FastAPI
from starlette.types import Message

from app.tests.helpers import try_login
from app.tests.other_settings import application_with


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[None]:
    """Started and stopped as a server does it."""
    events, answers = asyncio.Queue[Message](), asyncio.Queue[Message]()
    lifespan = asyncio.create_task(app({"type": "lifespan"}, events.get, answers.put))
    await events.put({"type": "lifespan.startup"})
    assert await answers.get() == {"type": "lifespan.startup.complete"}
    yield
    await events.put({"type": "lifespan.shutdown"})
    await lifespan


async def test_requests_and_audit_events_are_counted(empty_tables: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with application_with(METRICS_PORT=str(port)) as client, running(importlib.import_module("app.main").app):
        for path in ("/health/live", "/users/me", "/nowhere/swordfish"):
            await client.get(path)
        await try_login(client, "swordfish@example.com")
        with await asyncio.to_thread(urlopen, f"http://127.0.0.1:{port}/metrics") as response:
            metrics = response.read().decode().splitlines()
    assert 'http_requests_total{route="live",status="200"} 1.0' in metrics
    assert 'http_requests_total{route="read_current_user",status="401"} 1.0' in metrics
    assert 'http_request_duration_seconds_count{route="live"} 1.0' in metrics
    assert 'audit_events_total{event="login_failed"} 1.0' in metrics
    assert 'audit_events_total{event="account_deleted"} 0.0' in metrics
    assert "swordfish" not in str(metrics)  # what clients make up is no label
