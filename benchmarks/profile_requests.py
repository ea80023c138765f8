"""Show where one request's time goes, function by function. Calls the application itself, without a server.

Reads the application's name and one request per route as JSON from standard input.
"""

import asyncio
import cProfile
import importlib
import json
import pstats
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

TIMES = 300
SHOWN = 25


def scope_of(head: str) -> dict[str, Any]:
    first, *lines = head.split("\r\n")
    method, path, _ = first.split(" ")
    pairs = (line.split(": ", 1) for line in lines)
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in pairs],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }


async def call(application: Any, request: str) -> bytes:
    head, _, body = request.partition("\r\n\r\n")
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body.encode()}

    async def send(message: Any) -> None:
        sent.append(message)

    await application(scope_of(head) | {"state": {}}, receive, send)
    if not 200 <= sent[0]["status"] < 300:
        sys.exit(f"{head.splitlines()[0]} returned {sent[0]['status']}.")
    return b"".join(message.get("body", b"") for message in sent[1:])


async def call_often(application: Any, request: str, chain: str) -> str:
    for _ in range(TIMES):
        response = await call(application, request)
        if chain:
            spent = json.loads(request.partition("\r\n\r\n")[2])[chain]
            request = request.replace(spent, json.loads(response)[chain])
    return request


def show(route: str, profile: cProfile.Profile) -> None:
    rows = pstats.Stats(profile).stats.items()  # type: ignore[attr-defined]
    whole = sum(own for _, (_, _, own, _, _) in rows)
    print(f"\n### {route}\n\n| own time | calls | function |\n|---:|---:|---|")
    for (file, line, name), (_, calls, own, _, _) in sorted(rows, key=lambda row: -row[1][2])[:SHOWN]:
        place = "" if file == "~" else f"{'/'.join(Path(file).parts[-2:])}:{line} "
        print(f"| {own / whole:.1%} | {calls / TIMES:.1f} | `{place}{name}` |")


async def main() -> None:
    plan = json.load(sys.stdin)
    module, _, name = plan["application"].partition(":")
    application = getattr(importlib.import_module(module), name)
    messages: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    started = asyncio.Event()

    async def send(_: Any) -> None:
        started.set()

    messages.put_nowait({"type": "lifespan.startup"})
    lifespan = asyncio.create_task(application({"type": "lifespan", "asgi": {}, "state": {}}, messages.get, send))
    await started.wait()
    for route, request, chain in plan["requests"]:
        warm = await call_often(application, request, chain)
        profile = cProfile.Profile(time.thread_time)  # wall-clock time would count waiting as work
        with profile:
            await call_often(application, warm, chain)
        show(route, profile)
    messages.put_nowait({"type": "lifespan.shutdown"})
    await lifespan


if __name__ == "__main__":
    uvloop.run(main())
