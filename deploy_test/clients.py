"""Clients that never pause for long: each keeps reading, writing and logging in again, and records what happens."""

import http.client
import json
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

CLIENTS = 8
PAUSE = 0.02  # seconds between a client's requests
TIMEOUT = 30  # seconds
PASSWORD = "correct horse battery staple"  # noqa: S105


@dataclass
class Phase:
    """The requests during one event."""

    requests: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    last_failure: float = 0.0  # on the monotonic clock


class Load:
    def __init__(self, port: int) -> None:
        self.port = port
        self.acknowledged: list[str] = []
        self.phase = Phase()
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._clients = [threading.Thread(target=self._run) for _ in range(CLIENTS)]

    def start(self) -> None:
        for client in self._clients:
            client.start()

    def stop(self) -> None:
        self._ending.set()
        for client in self._clients:
            if client.is_alive():
                client.join()

    def begin(self) -> Phase:
        """Count the requests from now on in a new phase."""
        self.phase = Phase()
        return self.phase

    def _run(self) -> None:
        client = Client(self)
        email = f"{uuid.uuid4().hex}@example.com"
        client.ask("POST", "/users/register", json.dumps({"email": email, "password": PASSWORD}))
        client.log_in(email)
        while not self._ending.is_set():
            client.ask("GET", "/users/me")
            name = uuid.uuid4().hex
            if client.ask("POST", "/pets/create", json.dumps({"pet_name": name})):
                self.acknowledged.append(name)
            client.ask("GET", "/pets/me?limit=20")
            if client.age() > 2:
                client.log_in(email)

    def note(self, seconds: float, failure: str | None) -> None:
        with self._lock:
            phase = self.phase
            phase.requests += 1
            phase.slowest = max(phase.slowest, seconds)
            if failure:
                phase.failures[failure] += 1
                phase.last_failure = time.monotonic()


class Client:
    """One connection, kept open and reopened after a failure; no request is ever sent twice."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.connection = http.client.HTTPConnection("127.0.0.1", load.port, timeout=TIMEOUT)
        self.token = ""
        self.logged_in = 0.0

    def log_in(self, email: str) -> None:
        form = urlencode({"username": email, "password": PASSWORD})
        if tokens := self.ask("POST", "/auth/access-token", form, "application/x-www-form-urlencoded"):
            self.token, self.logged_in = tokens["access_token"], time.monotonic()

    def age(self) -> float:
        return time.monotonic() - self.logged_in

    def ask(self, method: str, path: str, body: str | None = None, content_type: str = "application/json") -> Any:
        """Send a request, and return the body of the response, or None if it isn't a success."""
        time.sleep(PAUSE)
        begun, failure, result = time.monotonic(), None, None
        try:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}
            self.connection.request(method, path, body, headers)
            response = self.connection.getresponse()
            content = response.read()
            if response.status in {200, 201}:
                result = json.loads(content)
            else:
                failure = str(response.status)
        except (OSError, http.client.HTTPException) as error:
            failure = type(error).__name__
            self.connection.close()
        self.load.note(time.monotonic() - begun, failure)
        return result
