"""Clients whose responses get lost stay logged in."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from httpx import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import PROJECT_DIR, settings
from app.models import LoginSession, User
from app.tests.helpers import PATIENCE, Json, begin, free_port, is_logged_in, refresh


@asynccontextmanager
async def server() -> AsyncIterator[tuple[int, asyncio.subprocess.Process]]:
    """Start a real server; yield its port and its process."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port), "--no-access-log"),
        cwd=PROJECT_DIR,
        env=os.environ,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    (await asyncio.open_connection("127.0.0.1", port))[1].close()
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        yield port, process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ask_for_a_refresh(port: int, tokens: Json) -> asyncio.StreamWriter:
    """Send the request without reading the response."""
    body = json.dumps({"refresh_token": tokens["refresh_token"]})
    head = (
        f"POST {settings.api_prefix}/auth/refresh-token HTTP/1.1",
        f"Host: {settings.allowed_hosts[0]}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("\r\n".join([*head, "", body]).encode())
    await writer.drain()
    return writer


async def is_committed(session: AsyncSession) -> None:
    """Return once the refresh has spent its token."""
    async with asyncio.timeout(PATIENCE):
        while await session.scalar(select(LoginSession.generation)) != 1:
            await session.rollback()
            await asyncio.sleep(0.001)
    await session.rollback()


async def stays_logged_in(client: AsyncClient, tokens: Json) -> bool:
    again = await refresh(client, tokens)
    return await is_logged_in(client, again) and await is_logged_in(client, await refresh(client, again))


async def test_a_client_that_loses_its_connection_can_refresh_again(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    tokens = await begin(default_user)
    async with server() as (port, _):
        writer = await ask_for_a_refresh(port, tokens)
        writer.transport.abort()
        await is_committed(session)
    assert await stays_logged_in(client, tokens)


async def test_a_client_whose_server_is_killed_can_refresh_elsewhere(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    tokens = await begin(default_user)
    async with server() as (port, process):
        writer = await ask_for_a_refresh(port, tokens)
        await is_committed(session)
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
        writer.close()
    assert await stays_logged_in(client, tokens)
