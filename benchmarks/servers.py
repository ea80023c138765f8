"""What is measured: projects, their servers, and the PostgreSQL behind them."""

import asyncio
import getpass
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from machine import OTHERS, pinned

HERE = Path(__file__).parent
SECRET_KEY = secrets.token_urlsafe(48)
PATIENCE = 20  # seconds to wait for a start
UVICORN = ["-m", "uvicorn", "{application}", "--host", "127.0.0.1", "--port", "{port}", "--workers", "{workers}"]
UVICORN += ["--no-access-log", "--no-proxy-headers", "--log-level", "warning"]
# The generated project's own script starts PostgreSQL, without durability, which would measure the disk.
POSTGRES = """
import sys
from pathlib import Path
from private_postgres import Address, start, stop
folder, port, action = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if action == "start":
    settings = ("fsync=off", "full_page_writes=off", "max_connections=300")
    start(folder, Address("127.0.0.1", port, "postgres", "benchmark", "floor"), settings)
else:
    stop(folder)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Postgres:
    """A private PostgreSQL, on the core that it shares with the client."""

    project: Path
    folder: Path
    port: int = field(default_factory=free_port)

    def __enter__(self) -> "Postgres":
        with pinned(OTHERS):
            self._do("start")
        self.pid = int((self.folder / "postmaster.pid").read_text().split()[0])
        return self

    def __exit__(self, *_: object) -> None:
        self._do("stop")

    def _do(self, action: str) -> None:
        command = [sys.executable, "-c", POSTGRES, str(self.folder), str(self.port), action]
        subprocess.run(command, cwd=self.project / "scripts", check=True)

    def url(self, name: str) -> str:
        return f"postgresql://postgres:benchmark@127.0.0.1:{self.port}/{name}"

    def run(self, name: str, *statements: str) -> list[Any]:
        """Run statements, and return the rows of the last one."""

        async def run() -> list[Any]:
            connection = await asyncpg.connect(self.url(name))
            try:
                for statement in statements[:-1]:
                    await connection.execute(statement)
                return list(await connection.fetch(statements[-1]))
            finally:
                await connection.close()

        return asyncio.run(run())

    @property
    def log(self) -> Path:
        return self.folder.with_suffix(".log")


@dataclass
class Project:
    """A project to measure, as bench.toml describes it."""

    name: str
    application: str
    prepare: list[list[str]]
    environment: dict[str, str]
    register: list[str]
    login: str
    routes: dict[str, dict[str, Any]]
    observed: dict[str, str] = field(default_factory=dict)
    has_features: bool = True  # without, only memory and start are measured
    folder: Path = HERE
    python: str = sys.executable

    def prepared(self, postgres: Postgres) -> "Project":
        """Create a database for it, with its tables."""
        postgres.run("postgres", f'CREATE DATABASE "{self.name}"')
        url = postgres.url(self.name)
        self.environment = {name: value.format(database=url) for name, value in self.environment.items()}
        self.environment["SECRET_KEY"] = SECRET_KEY
        for arguments in self.prepare:
            environment = os.environ | self.environment
            subprocess.run([self.python, *arguments], cwd=self.folder, env=environment, check=True)
        return self


class StartError(Exception):
    """A server that does not start."""


@dataclass
class Server:
    """A running server. `command` is run by the project's Python; `{port}` and the like are filled in."""

    project: Project
    cores: set[int]
    workers: int = 1
    command: list[str] = field(default_factory=lambda: UVICORN)
    port: int = field(default_factory=free_port)

    def __enter__(self) -> "Server":
        names = {"application": self.project.application, "port": self.port, "workers": self.workers}
        command = [part.format(**names) for part in self.command]
        if command[0].startswith("-"):
            command.insert(0, self.project.python)
        self.begun = time.perf_counter()
        environment = os.environ | self.project.environment
        with pinned(self.cores), tempfile.TemporaryFile() as log:
            self.process = subprocess.Popen(
                command, cwd=self.project.folder, env=environment, start_new_session=True, stdout=log
            )
        try:
            self.seconds_to_start = self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _wait(self) -> float:
        while time.perf_counter() < self.begun + PATIENCE:
            if self.process.poll() is not None:
                raise StartError(f"{self.project.name} ended before it responded.")
            try:
                self.call("GET", "/")
            except urllib.error.HTTPError:
                pass
            except OSError:
                time.sleep(0.002)
                continue
            return time.perf_counter() - self.begun
        raise StartError(f"{self.project.name} does not respond.")

    def call(self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None) -> Any:
        kind = "application/json" if body.startswith("{") else "application/x-www-form-urlencoded"
        headers = {"Content-Type": kind} | (headers or {}) if body else headers or {}
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, body.encode() or None, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            return json.loads(response.read() or "null")


UNIT = {
    "listeners": {"127.0.0.1:{port}": {"pass": "applications/app"}},
    "applications": {
        "app": {
            "type": "python 3",
            "protocol": "asgi",
            "home": "{home}",
            "path": "{folder}",
            "module": "app.main",
            "callable": "app",
            "processes": 1,
        }
    },
}


def unit_command(project: Project, folder: Path, port: int) -> list[str]:
    """Write a state folder, and return the command that starts Nginx Unit with the project from it."""
    state = folder / "state"
    state.mkdir(parents=True, exist_ok=True)
    home = str(Path(project.python).absolute().parents[1])
    text = json.dumps(UNIT).replace("{port}", str(port)).replace("{home}", home)
    (state / "conf.json").write_text(text.replace("{folder}", str(project.folder)))
    unitd = shutil.which("unitd")
    assert unitd  # noqa: S101
    (folder / "tmpdir").mkdir(exist_ok=True)
    options = {"control": f"unix:{folder}/control", "statedir": str(state)}
    options |= {name: f"{folder}/{name}" for name in ("pid", "log", "tmpdir")}
    if os.geteuid() == 0:  # the default, nobody, may not read the project's folder
        options["user"] = getpass.getuser()
    return [unitd, "--no-daemon", *(part for name, value in options.items() for part in (f"--{name}", value))]
