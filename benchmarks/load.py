"""A load generator: each connection sends its next request as soon as the response to the last is complete.

Reads a plan as JSON from standard input and writes what it saw as JSON to standard output. It has to cost much less
than the server it measures: it makes the bytes beforehand, and reads only the status and length of a response.
"""

import asyncio
import json
import sys
import time
from typing import Any, TypedDict

import uvloop

PATIENCE = 60  # seconds to wait for the last responses


class Plan(TypedDict):
    port: int
    requests: list[str]  # one per connection, complete with its headers
    run_in: float  # seconds of warm-up that don't count: a server that was idle is slow at first
    seconds: float  # after the warm-up
    chain: str  # a field that the next request copies from the last response; or empty


class Seen(TypedDict):
    elapsed: float
    latencies: list[float]  # seconds, sorted
    refused: int  # responses other than a success
    requests: list[str]  # those that would have been sent next


class Connection(asyncio.Protocol):
    def __init__(self, request: str, chain: str, since: float, until: float) -> None:
        self.request, self.chain, self.since, self.until = request.encode(), chain, since, until
        self.latencies: list[float] = []
        self.refused = 0
        self.buffer = b""
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.begun = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator or len(body) < content_length(head):
            return
        now = time.perf_counter()
        if now >= self.since:
            self.latencies.append(now - self.begun)
        self.buffer = b""
        if not 200 <= int(head[9:12]) < 300:
            self.refused += 1
        elif self.chain:
            self.follow(body)
        if now < self.until:
            self.send()
        else:
            self.transport.close()

    def follow(self, body: bytes) -> None:
        spent = json.loads(self.request.partition(b"\r\n\r\n")[2])[self.chain]
        self.request = self.request.replace(spent.encode(), json.loads(body)[self.chain].encode())

    def connection_lost(self, _: Exception | None) -> None:
        self.closed.set_result(None)


def content_length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)


async def run(plan: Plan) -> Seen:
    since = time.perf_counter() + plan["run_in"]
    until = since + plan["seconds"]
    connections = [Connection(request, plan["chain"], since, until) for request in plan["requests"]]
    async with asyncio.timeout(plan["run_in"] + plan["seconds"] + PATIENCE):
        for connection in connections:
            await asyncio.get_running_loop().create_connection(
                lambda connection=connection: connection,  # type: ignore[misc]
                "127.0.0.1",
                plan["port"],
            )
        await asyncio.gather(*(connection.closed for connection in connections))
    return {
        "elapsed": time.perf_counter() - since,
        "latencies": sorted(latency for connection in connections for latency in connection.latencies),
        "refused": sum(connection.refused for connection in connections),
        "requests": [connection.request.decode() for connection in connections],
    }


if __name__ == "__main__":
    json.dump(uvloop.run(run(json.load(sys.stdin))), sys.stdout)
