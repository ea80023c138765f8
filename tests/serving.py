"""A project that serves, for whoever speaks to it."""

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from rendering import ENVIRONMENT
from scaffolding import ALL, PATIENCE, installed_project, make, read_env, run

QUICK = {"SECURITY_BCRYPT_ROUNDS": "4"}


@dataclass(frozen=True)
class Api:
    """Where it is, and who may log in."""

    project: Path
    url: str
    email: str
    password: str


@contextmanager
def initialised_project(template: Path, environment: Path, folder: Path) -> Iterator[Path]:
    """With all features, both databases, which are stopped afterwards, the tables and the first superuser."""
    with installed_project(template, environment, folder, ALL) as project:
        make(project, "databases")
        initialised = run("bash", "init.sh", cwd=project, environment=QUICK)
        assert initialised.returncode == 0, initialised.stderr
        yield project


# Each process has its own, below those that systems give to sockets that may have any.
_ports = count(20_000 + 64 * os.getpid() % 12_000)


def free_port() -> int:
    """A port that stays free until it is used."""
    while True:
        port = next(_ports)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextmanager
def served(project: Path, port: int, settings: dict[str, str]) -> Iterator[Api]:
    """The application, which is stopped afterwards."""
    python = str(project / ".venv/bin/python")
    command = [python, "-m", "uvicorn", "app.main:app", "--no-proxy-headers", "--port", str(port)]
    with (project / f"server-{port}.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=project, env=ENVIRONMENT | QUICK | settings, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(f"http://127.0.0.1:{port}/health/ready"):
            assert server.poll() is None, (project / f"server-{port}.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        known = read_env(project)
        yield Api(
            project, f"http://localhost:{port}", known["FIRST_SUPERUSER_EMAIL"], known["FIRST_SUPERUSER_PASSWORD"]
        )
    finally:
        server.terminate()
        server.wait()
    assert "Traceback" not in (project / f"server-{port}.log").read_text()


def answers(url: str) -> bool:
    try:
        return bool(urllib.request.urlopen(url, timeout=PATIENCE).status == 200)
    except OSError:
        return False
