"""Schemathesis, with all of its checks, finds nothing wrong with a running project."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rendering import ENVIRONMENT
from scaffolding import ROOT, installed_project, make, read_env, run

SETTINGS = {
    "SECURITY_BCRYPT_ROUNDS": "4",  # thousands of logins
    "TRUSTED_PROXIES": "127.0.0.1",  # so that each request can have its own IP address
}


@contextmanager
def served(project: Path) -> Iterator[str]:
    """Serve the application; yield its URL, and stop it afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    python = str(project / ".venv/bin/python")
    command = [python, "-m", "uvicorn", "app.main:app", "--no-proxy-headers", "--port", str(port)]
    with (project / "server.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=project, env=ENVIRONMENT | SETTINGS, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while not answers(f"{url}/health/ready"):
            assert server.poll() is None, (project / "server.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait()


def answers(url: str) -> bool:
    try:
        return bool(urllib.request.urlopen(url, timeout=5).status == 200)
    except urllib.error.URLError:
        return False


def test_schemathesis_finds_nothing(template: Path, environment: Path, tmp_path: Path) -> None:
    with installed_project(template, environment, tmp_path) as project:
        make(project, "databases")
        initialised = run("bash", "init.sh", cwd=project, environment=SETTINGS)
        assert initialised.returncode == 0, initialised.stderr
        settings = read_env(project)
        work = shutil.copytree(ROOT / "tests/contract", tmp_path / "contract")  # Schemathesis writes its reports there
        with served(project) as url:
            result = run(
                *(Path(sys.executable).with_name("st"), "run", f"{url}/openapi.json"),
                *("--max-examples", "25", "--generation-deterministic"),
                cwd=work,
                environment={
                    "API_URL": url,
                    "API_USER": settings["FIRST_SUPERUSER_EMAIL"],
                    "API_PASSWORD": settings["FIRST_SUPERUSER_PASSWORD"],
                },
            )
        assert result.returncode == 0, result.stdout + result.stderr
        assert "Traceback" not in (project / "server.log").read_text()
