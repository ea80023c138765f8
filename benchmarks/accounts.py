"""Users of a server, the requests they send, and the load they generate together."""

import json
import subprocess
import sys
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from load import Plan, Seen
from machine import CORES, OTHERS, pinned
from servers import HERE, Server

RUN_IN = 0.2  # seconds of warm-up before each round
PASSWORD = "correct horse battery staple"  # noqa: S105


@dataclass
class Accounts:
    """Users of a server, logged in, and the requests they send."""

    server: Server
    count: int

    def emails(self) -> list[str]:
        return [f"benchmark{number}@example.com" for number in range(self.count)]

    def registered(self) -> "Accounts":
        path, body = self.server.project.register
        bodies = [body.replace("{email}", email).replace("{password}", PASSWORD) for email in self.emails()]
        with ThreadPoolExecutor(len(CORES)) as threads:
            list(threads.map(lambda body: self.server.call("POST", path, body), bodies))
        return self

    def logged_in(self) -> "Accounts":
        with ThreadPoolExecutor(len(CORES)) as threads:
            self.tokens = list(
                threads.map(lambda form: self.server.call("POST", self.server.project.login, form), self.forms())
            )
        return self

    def forms(self) -> list[str]:
        return [urllib.parse.urlencode({"username": email, "password": PASSWORD}) for email in self.emails()]

    def requests(self, route: str) -> list[str]:
        """One request for each user, as it is sent."""
        description = self.server.project.routes[route]
        chain = description.get("chain")
        bodies = [
            json.dumps({chain: tokens[chain]}) if chain else description.get("body", "") for tokens in self.tokens
        ]
        return [
            write_request(route, body, "application/json", tokens["access_token"])
            for body, tokens in zip(bodies, self.tokens, strict=True)
        ]

    def send(self, route: str, times: int) -> None:
        """Send each user's request this many times, without measuring."""
        (method, path), body = route.split(), self.server.project.routes[route]["body"]
        headers = [{"Authorization": f"Bearer {tokens['access_token']}"} for tokens in self.tokens] * times
        with ThreadPoolExecutor(len(CORES)) as threads:
            list(threads.map(lambda header: self.server.call(method, path, body, header), headers))

    def logins(self, whose: slice, seconds: float) -> Plan:
        """A plan of logins by some of the users, without a warm-up."""
        route = f"POST {self.server.project.login}"
        requests = [write_request(route, form, "application/x-www-form-urlencoded") for form in self.forms()[whose]]
        return {"port": self.server.port, "requests": requests, "run_in": 0.0, "seconds": seconds, "chain": ""}

    def load(self, route: str, seconds: float, connections: int, run_in: float = RUN_IN) -> Seen:
        """Load a route, and keep the tokens that replace spent ones."""
        chain = self.server.project.routes[route].get("chain", "")
        requests = self.requests(route)[:connections]
        seen = load(
            {"port": self.server.port, "requests": requests, "run_in": run_in, "seconds": seconds, "chain": chain}
        )
        if chain:
            for tokens, request in zip(self.tokens, seen["requests"], strict=False):
                tokens[chain] = json.loads(request.partition("\r\n\r\n")[2])[chain]
        return seen


def write_request(route: str, body: str, kind: str, access_token: str = "") -> str:
    lines = [f"{route} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"Authorization: Bearer {access_token}"] if access_token else []
    lines += [f"Content-Type: {kind}", f"Content-Length: {len(body.encode())}"] if body else []
    return "\r\n".join([*lines, "", body])


def start_load(plan: Plan) -> "subprocess.Popen[str]":
    with pinned(OTHERS):
        client = subprocess.Popen(
            [sys.executable, HERE / "load.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    assert client.stdin  # noqa: S101
    json.dump(plan, client.stdin)
    client.stdin.close()
    return client


def finish_load(client: "subprocess.Popen[str]") -> Seen:
    assert client.stdout  # noqa: S101
    seen: Seen = json.load(client.stdout)
    client.wait()
    if seen["refused"]:
        sys.exit(f"{seen['refused']} of {len(seen['latencies'])} requests were refused, so the measurement is void.")
    return seen


def load(plan: Plan) -> Seen:
    return finish_load(start_load(plan))
