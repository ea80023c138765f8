"""A WebSocket, spoken to as a server would."""

import asyncio
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, Self

from httpx import AsyncClient

from app.core.config import settings
from app.main import app
from app.models import User
from app.tests.helpers import login


Message = MutableMapping[str, Any]


class Socket:
    """The client's end; messages are those of ASGI."""

    def __init__(self) -> None:
        self.to_app: asyncio.Queue[Message] = asyncio.Queue()
        self.from_app: asyncio.Queue[Message] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        host = settings.allowed_hosts[0].encode()
        scope = {
            "type": "websocket",
            "path": f"{settings.api_prefix}/echo",
            "headers": [(b"host", host)],
            "query_string": b"",
            "client": ("198.51.100.1", 50_000),
        }
        await self.to_app.put({"type": "websocket.connect"})
        self.running = asyncio.create_task(app(scope, self.to_app.get, self.from_app.put))
        assert (await self.receive())["type"] == "websocket.accept"
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.to_app.put({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(self.running, 60)

    async def send(self, text: str) -> Message:
        await self.to_app.put({"type": "websocket.receive", "text": text})
        return await self.receive()

    async def receive(self) -> Message:
        return await asyncio.wait_for(self.from_app.get(), 60)


async def test_token_opens_and_logout_ends_it(client: AsyncClient, default_user: User) -> None:
    tokens = await login(client, default_user)
    async with Socket() as socket:
        assert (await socket.send(tokens["access_token"]))["text"] == "Welcome"
        assert (await socket.send("hello"))["text"] == "hello"
        await client.post("/auth/logout", json={"refresh_token": tokens["refresh_token"]})
        assert (await socket.send("hello"))["code"] == 1008


async def test_stranger_is_shut_out(client: AsyncClient, default_user: User) -> None:
    tokens = await login(client, default_user)
    async with Socket() as socket:
        assert (await socket.send(tokens["refresh_token"]))["code"] == 1008
