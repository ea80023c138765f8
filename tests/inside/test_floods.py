"""Somebody who logs in or registers as fast as possible keeps nobody else from logging in."""

import asyncio
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import pytest

from app.core.config import PROJECT_DIR, settings
from app.tests.helpers import PASSWORD, PATIENCE, free_port

ATTACKERS = 200  # connections
LOGINS = 5  # of somebody else, meanwhile
BEFORE = ATTACKERS // 4  # of the attackers' passwords, at most, may be hashed while such a login waits
ROUNDS = "11"
ATTACKER, VICTIM = "attacker@example.com", "victim@example.com"

Send = Callable[[str, str, str, str], Awaitable[int]]
Attack = Callable[[Send, int], Awaitable[int]]


@asynccontextmanager
async def server() -> AsyncIterator[Send]:
    """A real server; what sends it a request from a chosen IP address returns the status."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port)),
        *("--no-access-log", "--no-proxy-headers"),
        cwd=PROJECT_DIR,
        env=os.environ | {"TRUSTED_PROXIES": "127.0.0.1", "SECURITY_BCRYPT_ROUNDS": ROUNDS},
    )

    async def send(path: str, body: str, content_type: str, client_ip: str) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = (
            f"POST {settings.api_prefix}{path} HTTP/1.1",
            f"Host: {settings.allowed_hosts[0]}",
            f"X-Forwarded-For: {client_ip}",
            f"Content-Type: {content_type}",
            f"Content-Length: {len(body)}",
            "Connection: close",
        )
        try:
            writer.write("\r\n".join([*head, "", body]).encode())
            return int((await reader.readline()).split()[1])
        finally:
            writer.close()

    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    (await asyncio.open_connection("127.0.0.1", port))[1].close()
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        yield send
    finally:
        process.kill()
        await process.wait()


async def log_in(send: Send, email: str, client_ip: str) -> int:
    form = urlencode({"username": email, "password": PASSWORD})
    return await send("/auth/access-token", form, "application/x-www-form-urlencoded", client_ip)


async def register(send: Send, email: str, client_ip: str) -> int:
    return await send(
        "/users/register", json.dumps({"email": email, "password": PASSWORD}), "application/json", client_ip
    )


async def log_in_to_one_account(send: Send, _: int) -> int:
    return await log_in(send, ATTACKER, "203.0.113.1")


async def register_from_one_site(send: Send, number: int) -> int:
    return await register(send, f"{uuid.uuid4().hex}@example.com", f"2001:db8:1:{number:x}::1")


@pytest.mark.parametrize("attack", [log_in_to_one_account, register_from_one_site])
async def test_a_flood_from_one_client_leaves_the_login_to_others(attack: Attack, empty_tables: None) -> None:
    async with server() as send:
        assert await register(send, ATTACKER, "203.0.113.1") == 201
        assert await register(send, VICTIM, "198.51.100.1") == 201
        refused = hashed = 0

        async def keep_attacking(number: int) -> None:
            nonlocal refused, hashed
            while True:
                is_refused = await attack(send, number) in {429, 503}
                refused, hashed = refused + is_refused, hashed + (not is_refused)

        attackers = [asyncio.create_task(keep_attacking(number)) for number in range(ATTACKERS)]
        try:
            async with asyncio.timeout(PATIENCE):
                while refused < ATTACKERS:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            for _ in range(LOGINS):
                before = hashed
                assert await log_in(send, VICTIM, "198.51.100.2") == 200  # a client that the account doesn't know
                assert hashed - before < BEFORE
        finally:
            for attacker in attackers:
                attacker.cancel()
            await asyncio.gather(*attackers, return_exceptions=True)
