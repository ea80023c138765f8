"""The container files of a rendered project, read by linters; and where there is a Unit or a builder, by these."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from scaffolding import ENVIRONMENT, run, scaffold

TOOLS = f"{Path(sys.executable).parent}{os.pathsep}{ENVIRONMENT['PATH']}"
TIMEOUT = 10  # seconds, for Unit to start or stop


def tool(name: str) -> str:
    path = shutil.which(name, path=TOOLS)
    return path or pytest.skip(f"{name} is not on PATH")


def test_dockerfile_is_clean(project: Path) -> None:
    result = run(tool("hadolint"), project / "Dockerfile")
    assert result.returncode == 0, result.stdout


def test_scripts_are_clean(project: Path) -> None:
    result = run(tool("shellcheck"), *project.glob("*.sh"))
    assert result.returncode == 0, result.stdout


def test_application_container_may_do_nothing_but_serve(project: Path) -> None:
    services = yaml.safe_load((project / "docker-compose.yml").read_text())["services"]
    app = services["app"]

    assert app["read_only"] is True
    assert app["cap_drop"] == ["ALL"]
    assert app["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for service in services.values() for port in service.get("ports", []))


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Path]:
    """The control socket of a Unit that runs for one test."""
    socket = tmp_path / "control.sock"
    (tmp_path / "state").mkdir()
    folders = ("--statedir", tmp_path / "state", "--tmpdir", tmp_path, "--pid", tmp_path / "pid")
    server = subprocess.Popen(
        [tool("unitd"), "--no-daemon", "--control", f"unix:{socket}", "--log", tmp_path / "log", *map(str, folders)]
    )
    deadline = time.monotonic() + TIMEOUT
    while not socket.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    yield socket
    server.terminate()
    server.wait(TIMEOUT)


def test_unit_takes_its_configuration(template: Path, tmp_path: Path, unit: Path) -> None:
    project = scaffold(template, tmp_path / "out", {"web_server": "nginx-unit"})
    configuration = json.loads((project / "nginx-unit-config.json").read_text())
    del configuration["applications"]  # its folders are those of the image
    configuration["listeners"] = {f"unix:{unit.with_name('listener.sock')}": configuration["listeners"]["*:8000"]}
    configuration["routes"] = [{"action": {"return": 204}}]
    put = ("--request", "PUT", "--data", json.dumps(configuration))
    answer = run("curl", "--silent", "--unix-socket", unit, *put, "http://unit/config")
    assert "success" in json.loads(answer.stdout), answer.stdout


@pytest.mark.parametrize("web_server", ["nginx-unit", "uvicorn"])
def test_image_can_be_built_and_holds_nothing_that_its_user_could_change(
    web_server: str, template: Path, tmp_path: Path
) -> None:
    docker = tool("docker")
    if run(docker, "info").returncode != 0:
        pytest.skip("no Docker engine answers")
    project = scaffold(template, tmp_path / "out", {"web_server": web_server})
    base = re.findall(r"^FROM (\S+)", (project / "Dockerfile").read_text(), re.MULTILINE)[0]
    if run(docker, "image", "inspect", base).returncode != 0 and run(docker, "pull", base).returncode != 0:
        pytest.skip(f"{base} is not here and can't be pulled")
    image = f"template-test-{web_server}"
    build = run(docker, "build", "--network", "host", "--tag", image, project)
    assert build.returncode == 0, build.stdout + build.stderr

    hardened = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "none")  # noqa: S108
    settings = ("--env", f"SECRET_KEY={'x' * 32}", "--env", "DATABASE_URL=postgresql://nobody@localhost/app")
    check = "id --user; find /app /venv -writable ! -type l; python -c 'import app.main; print(app.main.app.title)'"
    options = ("--rm", *hardened, *settings, "--entrypoint", "bash")
    inside = run(docker, "run", *options, image, "-c", check)
    user, *rest = inside.stdout.split()
    assert user != "0", inside.stderr
    assert rest == ["my-api"], inside.stdout + inside.stderr
