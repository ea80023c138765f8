"""Another service: a server on this machine that says what it is told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from app.core import outside

GOOD = b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\n{"a": 1}'
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
HANGS_UP = b""


@asynccontextmanager
async def service(*answers: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """The server's address, and the answers that are left."""
    left = list(answers)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(left.pop(0))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", left


async def test_passing_trouble_is_tried_again() -> None:
    async with service(HANGS_UP, BUSY, GOOD) as (url, left):
        assert await outside.get_json(url) == {"a": 1}
        assert not left


async def test_lasting_trouble_is_an_error() -> None:
    async with service(BUSY, BUSY, BUSY, GOOD) as (url, left):
        with pytest.raises(httpx.HTTPStatusError, match="503"):
            await outside.get_json(url)
        assert left == [GOOD]


async def test_plain_refusal_is_not_tried_again() -> None:
    async with service(MISSING, GOOD) as (url, left):
        with pytest.raises(httpx.HTTPStatusError, match="404"):
            await outside.get_json(url)
        assert left == [GOOD]


async def test_slow_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "TIMEOUT", httpx.Timeout(0.1))
    never = asyncio.Event()

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await never.wait()
        writer.close()

    async with await asyncio.start_server(keep_silent, "127.0.0.1", 0) as server:
        with pytest.raises(httpx.ReadTimeout):
            await outside.get_json(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        never.set()
