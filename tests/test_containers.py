"""The container files of a rendered project, checked by linters and, where they are installed, by Unit and Docker."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from jinja2 import Template
from rendering import ENVIRONMENT
from scaffolding import PATIENCE, run, scaffold

TOOLS = f"{Path(sys.executable).parent}{os.pathsep}{ENVIRONMENT['PATH']}"


def tool(name: str) -> str:
    path = shutil.which(name, path=TOOLS)
    return path or pytest.skip(f"{name} is not on PATH")


def test_dockerfile_is_clean(project: Path) -> None:
    result = run(tool("hadolint"), project / "Dockerfile")
    assert result.returncode == 0, result.stdout


def test_scripts_are_clean(project: Path) -> None:
    result = run(tool("shellcheck"), *project.rglob("*.sh"))
    assert result.returncode == 0, result.stdout


def test_application_container_may_do_nothing_but_serve(project: Path) -> None:
    services = yaml.safe_load((project / "docker-compose.yml").read_text())["services"]
    app = services["app"]

    assert app["environment"]["PORT"] == app["ports"][0].rpartition(":")[2]  # .env may have another, the host's
    assert app["read_only"] is True
    assert app["cap_drop"] == ["ALL"]
    assert app["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for service in services.values() for port in service.get("ports", []))


@pytest.mark.parametrize(("version", "folder"), [("17", "/data"), ("18", ""), ("19", "")])
def test_the_data_lies_in_the_volume_of_each_postgresql(version: str, folder: str, template: Path) -> None:
    """19 isn't on offer yet: it must not be forgotten when it is."""
    compose = (template / "{{cookiecutter.project_name}}/docker-compose.yml").read_text()
    rendered = Template(compose).render(cookiecutter={"postgres_version": version})
    services = yaml.safe_load(rendered)["services"]

    assert services["database"]["volumes"] == [f"database:/var/lib/postgresql{folder}"]
    assert services["test-database"]["tmpfs"] == [f"/var/lib/postgresql{folder}"]


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Path]:
    """The control socket of a Unit that runs for one test."""
    socket = tmp_path / "control.sock"
    (tmp_path / "state").mkdir()
    folders = ("--statedir", tmp_path / "state", "--tmpdir", tmp_path, "--pid", tmp_path / "pid")
    server = subprocess.Popen(
        [tool("unitd"), "--no-daemon", "--control", f"unix:{socket}", "--log", tmp_path / "log", *map(str, folders)]
    )
    deadline = time.monotonic() + PATIENCE
    while not socket.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    yield socket
    server.terminate()
    server.wait(PATIENCE)


def test_unit_accepts_its_configuration(template: Path, tmp_path: Path, unit: Path) -> None:
    project = scaffold(template, tmp_path / "out", {"web_server": "nginx-unit"})
    configuration = json.loads((project / "nginx-unit-config.json").read_text())
    del configuration["applications"]  # its folders exist only in the image
    configuration["listeners"] = {f"unix:{unit.with_name('listener.sock')}": configuration["listeners"]["*:8000"]}
    configuration["routes"] = [{"action": {"return": 204}}]
    put = ("--request", "PUT", "--data", json.dumps(configuration))
    response = run("curl", "--silent", "--unix-socket", unit, *put, "http://unit/config")
    assert "success" in json.loads(response.stdout), response.stdout


def test_unit_limits_headers_as_the_application_does(template: Path, tmp_path: Path) -> None:
    project = scaffold(template, tmp_path / "out", {"web_server": "nginx-unit"})
    limits = (project / "app/server/limits.py").read_text()
    http = json.loads((project / "nginx-unit-config.json").read_text())["settings"]["http"]
    first_buffer = 2048  # Unit's default
    assert "MAX_HEADER_SIZE: Final = 64 * 1024\n" in limits
    assert first_buffer + http["large_header_buffers"] * http["large_header_buffer_size"] == 64 * 1024


UNITD = """
import os, signal, stat, sys, time
options = dict(zip(sys.argv[2::2], sys.argv[3::2]))
with open(options["--log"], "a") as log:
    log.write("Unit logs\\n")
print('{"the application": "logs"}', flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
os.mknod(options["--control"].removeprefix("unix:"), stat.S_IFSOCK | 0o600)
signal.pause()
"""
CURL = """
import pathlib, sys
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as calls:
    calls.write(sys.argv[sys.argv.index("--request") + 1] + " " + sys.argv[-1] + "\\n")
if "@-" in sys.argv:
    (here / "configuration").write_text(sys.stdin.read())
print("0" if sys.argv[-1].endswith("active") else "success")
"""


@pytest.fixture
def entrypoint(template: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Unit's entrypoint with scripts in place of Unit, curl and init.sh, once it has sent the configuration."""
    project = scaffold(template, tmp_path / "out", {"web_server": "nginx-unit"})
    script = (project / "docker-entrypoint.sh").read_text()
    for folder in ("unit", "metrics"):
        script = script.replace(f"=/tmp/{folder}", f"={tmp_path / folder}")
    (project / "docker-entrypoint.sh").write_text(script)
    (project / "init.sh").write_text("echo init.sh says\n")
    (tmp_path / "bin").mkdir()
    for name, program in (("unitd", UNITD), ("curl", CURL)):
        stand_in = tmp_path / "bin" / name
        stand_in.with_suffix(".py").write_text(program)
        # Not by a shebang line: the path of this Python may contain a space.
        stand_in.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{stand_in}.py' \"$@\"\n")
        stand_in.chmod(0o755)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "SHUTDOWN_DELAY": "1", "PORT": "9999"}
    process = subprocess.Popen(
        ["bash", project / "docker-entrypoint.sh"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + PATIENCE
    while not (tmp_path / "bin/configuration").exists() or not waits_for_one_child(process.pid):
        assert time.monotonic() < deadline, process.poll()
        time.sleep(0.02)
    yield process
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def waits_for_one_child(pid: int) -> bool:
    proc = Path(f"/proc/{pid}")
    children = (proc / f"task/{pid}/children").read_text().split()
    return len(children) == 1 and (proc / "stat").read_text().rpartition(")")[2].split()[0] == "S"


def test_unit_is_stopped_once_and_only_the_application_writes_to_stdout(
    entrypoint: subprocess.Popen[str], tmp_path: Path
) -> None:
    calls = tmp_path / "bin/calls"
    entrypoint.terminate()
    deadline = time.monotonic() + PATIENCE
    while "config/routes" not in calls.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    entrypoint.terminate()  # while it waits for the load balancers
    entrypoint.send_signal(signal.SIGINT)
    output, log = entrypoint.communicate(timeout=PATIENCE)
    assert calls.read_text().splitlines() == [
        "PUT http://unit/config",
        "PUT http://unit/config/routes",
        "DELETE http://unit/config/listeners",
        "GET http://unit/status/applications/app/requests/active",
    ]
    assert entrypoint.returncode == 0, log
    assert output == '{"the application": "logs"}\n'


def test_unit_listens_on_the_port_by_ipv4_and_ipv6(entrypoint: subprocess.Popen[str], tmp_path: Path) -> None:
    entrypoint.terminate()
    entrypoint.communicate(timeout=PATIENCE)
    configuration = json.loads((tmp_path / "bin/configuration").read_text())
    with_ipv6 = Path("/proc/net/if_inet6").exists()  # without it Unit would refuse the listener
    assert set(configuration["listeners"]) == {"*:9999"} | ({"[::]:9999"} if with_ipv6 else set())


def test_unit_reports_that_it_may_not_log(template: Path, tmp_path: Path) -> None:
    project = scaffold(template, tmp_path / "out", {"web_server": "nginx-unit"})
    reader, writer = socket.socketpair()  # a socket, which can't be opened by name
    with reader, writer:
        process = subprocess.run(["bash", str(project / "docker-entrypoint.sh")], check=False, stderr=writer.fileno())
        assert process.returncode == 1
        assert b"may not open /dev/stderr" in reader.recv(1000)


def test_uvicorn_serves_on_the_port_and_does_not_start_without_its_port_for_metrics(
    template: Path, tmp_path: Path
) -> None:
    project = scaffold(template, tmp_path / "out", {"web_server": "uvicorn"})
    (project / "init.sh").write_text("echo init.sh says\n")
    entrypoint = project / "docker-entrypoint.sh"
    entrypoint.write_text(entrypoint.read_text().replace("=/tmp/metrics", f"={tmp_path / 'metrics'}"))
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\n[ "$2" != uvicorn ] || exec echo "$@"\nexec \'{sys.executable}\' "$@"\n')
    python.chmod(0o755)
    variables = {"PATH": f"{python.parent}{os.pathsep}{TOOLS}"}
    with socket.create_server(("", 0)) as server:
        port = str(server.getsockname()[1])
        taken = run("bash", entrypoint, environment=variables | {"METRICS_PORT": port})
    assert taken.returncode == 1
    assert f"METRICS_PORT {port} can't be used" in taken.stderr
    for given, used in (({"PORT": "9999", "METRICS_PORT": port}, "9999"), ({"PORT": ""}, "8000"), ({}, "8000")):
        free = run("bash", entrypoint, environment=variables | given)
        assert free.stdout.startswith("-m uvicorn app.main:app "), free.stderr
        assert free.stdout.endswith(f" --port {used}\n")


@pytest.mark.parametrize("web_server", ["nginx-unit", "uvicorn"])
def test_the_image_runs_a_command_instead_of_the_server_and_asks_after_its_health_on_the_port(
    web_server: str, template: Path, tmp_path: Path
) -> None:
    project = scaffold(template, tmp_path / "out", {"web_server": web_server})
    (project / "init.sh").write_text("echo init.sh says\n")
    command = ("bash", "-c", 'echo "in $PWD: $1"; exit 7', "_", "two words")
    ran = run("bash", project / "docker-entrypoint.sh", *command)
    assert (ran.returncode, ran.stdout, ran.stderr) == (7, f"in {project}: two words\n", "")

    (check,) = re.findall(r"^HEALTHCHECK .*\n +CMD (.*)", (project / "Dockerfile").read_text(), re.MULTILINE)
    health_check = json.loads(check) if check.startswith("[") else ["sh", "-c", check]
    requests: list[bytes] = []

    def respond(server: socket.socket) -> None:
        for status in (b"200 OK", b"503 Service Unavailable"):
            connection, _ = server.accept()
            with connection:
                requests.append(connection.recv(1000))
                connection.sendall(b"HTTP/1.0 %s\r\n\r\n" % status)

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        thread = threading.Thread(target=respond, args=(server,), daemon=True)
        thread.start()
        statuses = [run(*health_check, environment={"PORT": port, "PATH": TOOLS}).returncode for _ in range(2)]
        thread.join(PATIENCE)
    assert statuses[0] == 0
    assert statuses[1] != 0
    assert [request.split(b"\r\n")[0] for request in requests] == [b"GET /health/live HTTP/1.1"] * 2


@pytest.mark.slow
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
        pytest.skip(f"{base} is not available and can't be pulled")
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
