"""Call each layer of a project often, between two marks that `layers.py` recognizes. Runs in the project's environment.

Reads how often, and in how many rounds, as JSON from standard input; writes the CPU µs of one call of each, by name.
"""

import asyncio
import json
import os
import sys
import time
import uuid
from asyncio.subprocess import DEVNULL
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Annotated, Any

import floor
import uvicorn
import uvloop
from app.auth.caller import find_caller
from app.core.database import database
from app.core.security import create_access_token, read_access_token
from app.main import app
from app.models import Pet
from app.schemas.pets import PetCreateRequest, PetResponse
from app.schemas.responses import UserResponse
from app.server.protocol import BoundedHttp
from asyncpg.pgproto.pgproto import UUID
from fastapi import Depends, FastAPI
from fastapi.responses import Response
from profile_requests import call
from sqlalchemy import select
from uvicorn.server import ServerState

Step = Callable[[], Awaitable[object]]
HOST = "Host: 127.0.0.1\r\nUser-Agent: benchmark\r\nAccept: */*\r\n"
JSON = f"{HOST}Content-Type: application/json\r\n"
PETS, ID = 50, UUID(uuid.UUID(int=1).bytes)  # the driver's class
NEW_TOKENS = 10_000  # more than are remembered

bare = FastAPI(telemetry={"tracing": False, "auto_configure": False, "metrics": False, "logs": False})


async def respond(_: Any, __: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


async def depend() -> int:
    return 1


@bare.get("/response")
async def return_response() -> Response:
    return Response(b"{}")


@bare.get("/dependency")
async def return_response_with_dependency(_: Annotated[int, Depends(depend)]) -> Response:
    return Response(b"{}")


@bare.post("/body")
async def return_response_to_body(_: PetCreateRequest) -> Response:
    return Response(b"{}")


@bare.get("/model")
async def return_model() -> UserResponse:
    return UserResponse(id=ID, email="ana@example.com")


@bare.get("/models")
async def return_models() -> list[PetResponse]:
    return [PetResponse(id=ID, pet_name="Rex", user_id=ID) for _ in range(PETS)]


class Wire(asyncio.Transport):
    """A connection to nowhere."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 50000), "sockname": ("127.0.0.1", 8000)})
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        pass


def served(request: str) -> Step:
    """The request as bytes through Uvicorn's protocol, without a socket."""
    config = uvicorn.Config(respond, http=BoundedHttp, access_log=False, proxy_headers=False, log_level="warning")
    config.load()
    protocol, wire = BoundedHttp(config, ServerState(), {}), Wire()
    protocol.connection_made(wire)

    async def serve() -> None:
        wire.written = b""
        protocol.data_received(request.encode())
        while not wire.written.endswith(b"{}"):
            await asyncio.sleep(0)

    return serve


def called(application: Any, request: str) -> Step:
    return lambda: call(application, request)


async def log_in() -> str:
    """A new user, with pets; returns the access token."""
    account = {"email": f"{uuid.uuid4()}@example.com", "password": "correct horse battery staple"}
    await call(app, f"POST /users/register HTTP/1.1\r\n{JSON}\r\n{json.dumps(account)}")
    form = f"username={account['email']}&password={account['password'].replace(' ', '+')}"
    head = f"POST /auth/access-token HTTP/1.1\r\n{HOST}Content-Type: application/x-www-form-urlencoded\r\n"
    token: str = json.loads(await call(app, f"{head}\r\n{form}"))["access_token"]
    for _ in range(PETS):
        await call(
            app, f'POST /pets/create HTTP/1.1\r\n{JSON}Authorization: Bearer {token}\r\n\r\n{{"pet_name": "Rex"}}'
        )
    return token


def steps(token: str, creator: str) -> dict[str, Step]:
    claims, creating = read_access_token(token), read_access_token(creator)
    assert claims is not None and creating is not None  # noqa: PT018, S101
    now = int(time.time())
    tokens = iter([create_access_token(*claims[:2], now, now + 3600) for _ in range(NEW_TOKENS)] * 99)

    def requests(token: str, creator: str) -> dict[str, str]:
        get = f"{HOST}Authorization: Bearer {token}\r\n\r\n"
        post = f"{JSON}Authorization: Bearer {creator}\r\n\r\n"
        return {
            "me": f"GET /users/me HTTP/1.1\r\n{get}",
            "list": f"GET /pets/me HTTP/1.1\r\n{get}",
            "create": f'POST /pets/create HTTP/1.1\r\n{post}{{"pet_name": "Rex"}}',
        }

    async def read(one: str) -> None:
        assert read_access_token(one)  # noqa: S101

    async def insert() -> None:
        await database.insert(Pet(creating.user_id, "Rex"))

    async def list_pets() -> None:
        page = select(Pet.id, Pet.pet_name).where(Pet.user_id == claims.user_id).order_by(Pet.pet_name, Pet.id)
        await database.fetch_all(page.limit(PETS + 1))

    ours = requests(token, creator)
    me = ours["me"]
    floors = requests(*(floor.write_token(*one[:2], now) for one in (claims, creating)))
    found = {f"floor: {route}": called(floor.app, request) for route, request in floors.items()}
    found |= {route: called(app, request) for route, request in ours.items()}
    found |= {"nothing": called(respond, me), "server": served(me)}
    for layer in app.user_middleware:
        found[f"middleware: {layer.cls.__name__}"] = called(layer.cls(respond, *layer.args, **layer.kwargs), me)
    for path in ("response", "dependency", "model", "models"):
        found[path] = called(bare, f"GET /{path} HTTP/1.1\r\n{HOST}\r\n")
    found["body"] = called(bare, f'POST /body HTTP/1.1\r\n{JSON}\r\n{{"pet_name": "Rex"}}')
    found |= {"token": lambda: read(token), "new token": lambda: read(next(tokens))}
    found |= {"caller": lambda: find_caller(database, token), "rows": list_pets, "insert": insert}
    return found


async def main() -> None:
    plan = json.load(sys.stdin)
    async with app.router.lifespan_context(app):
        messages: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        messages.put_nowait({"type": "lifespan.startup"})
        started = asyncio.Event()

        async def send(_: Any) -> None:
            started.set()

        floors = asyncio.create_task(floor.app({"type": "lifespan"}, messages.get, send))
        await started.wait()
        found = steps(await log_in(), await log_in())
        for step in found.values():
            for _ in range(plan["times"]):
                await step()
        if plan["with_valgrind"]:  # only from here on: the start would take minutes
            switch = ["vgdb", f"--pid={os.getpid()}", "instrumentation", "on"]
            await (await asyncio.create_subprocess_exec(*switch, stdout=DEVNULL, stderr=DEVNULL)).wait()
        taken: dict[str, list[float]] = {name: [] for name in found}
        for _ in range(plan["rounds"]):
            for name, step in found.items():
                os.getppid()  # the mark
                begun = time.thread_time()
                for _ in range(plan["times"]):
                    await step()
                taken[name].append(time.thread_time() - begun)
                os.getppid()
        messages.put_nowait({"type": "lifespan.shutdown"})
        await floors
    print(json.dumps({name: median(seconds) / plan["times"] * 1e6 for name, seconds in taken.items()}))


if __name__ == "__main__":
    uvloop.run(main())
