"""The README's `make demo` gets from nothing to a login, and leaves nothing running."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
from rendering import ENVIRONMENT
from scaffolding import PATIENCE, link_environment, read_env, run, scaffold
from serving import free_port


@pytest.fixture
def clone(template: Path, tmp_path: Path) -> Path:
    """The template in a folder with a space in its name, with the tools that run this test already installed."""
    copy = tmp_path / "a clone"
    shutil.copytree(template, copy)
    (copy / ".venv").symlink_to(sys.prefix)
    return copy


@pytest.fixture
def port() -> int:
    return free_port()


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def post(port: int, path: str, body: str, content_type: str) -> tuple[int, dict[str, str]]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("POST", path, body, {"Content-Type": content_type})
        response = connection.getresponse()
        return response.status, json.load(response)


@contextmanager
def running_demo(clone: Path, port: int, log: Path) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """Start the demo, wait until it prints how to log in, and stop it after the test."""
    with log.open("wb") as output:
        demo = subprocess.Popen(
            ["make", "demo", f"PORT={port}"],
            cwd=clone,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 4 * PATIENCE  # the first start installs everything
        while "Ctrl-C ends" not in log.read_text():
            assert demo.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield demo, log.read_text()
    finally:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGINT)
            demo.wait(PATIENCE)


@pytest.mark.parametrize("is_new", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["prepared", "new"])
def test_demo_logs_in_ends_completely_and_keeps_its_data(
    is_new: bool, clone: Path, environment: Path, port: int, tmp_path: Path
) -> None:
    if not is_new:
        scaffold(clone, clone / "demo")
        link_environment(clone / "demo/my-api", environment)
    credentials = {"email": "new@example.com", "password": "a password of mine"}
    with running_demo(clone, port, tmp_path / "first.log") as (demo, printed):
        assert f"http://127.0.0.1:{port}/docs" in printed
        assert f"http://localhost:{port}/account" in printed
        lines = [
            line for line in printed.splitlines() if not line.startswith("WARNING: ")
        ]  # from this machine's pip settings
        assert len(lines) <= 45, printed  # of which 12 are migrations
        login = next(line for line in printed.splitlines() if line.startswith("curl "))
        assert json.loads(run("sh", "-c", f"{login} --silent").stdout)["token_type"] == "Bearer"
        assert post(port, "/users/register", json.dumps(credentials), "application/json")[0] == 201
        os.killpg(demo.pid, signal.SIGINT)  # what a terminal does on Ctrl-C
        demo.wait(PATIENCE)

    env = read_env(clone / "demo/my-api")
    ports = [port, int(env["POSTGRES_PORT"]), int(env["TEST_POSTGRES_PORT"])]
    assert not [port for port in ports if is_open(port)]

    with running_demo(clone, port, tmp_path / "second.log") as (demo, printed):
        form = urlencode({"username": credentials["email"], "password": credentials["password"]})
        assert post(port, "/auth/access-token", form, "application/x-www-form-urlencoded")[0] == 200
        demo.terminate()  # what a service manager does: only make gets the signal
        demo.wait(PATIENCE)

    assert not [port for port in ports if is_open(port)]


def test_taken_port_is_reported_before_anything_is_set_up(clone: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("make", "demo", f"PORT={port}", cwd=clone)

    assert result.returncode != 0
    assert f"Port {port} cannot be used" in result.stderr
    assert not (clone / "demo").exists()


def test_missing_python_is_reported(clone: Path, tmp_path: Path) -> None:
    (clone / ".venv").unlink()
    make = shutil.which("make")
    assert make

    result = run(make, "test", cwd=clone, environment={"PATH": str(tmp_path)})

    assert result.returncode != 0
    assert "No Python 3.11 or newer with its venv module was found" in result.stderr
