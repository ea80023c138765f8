"""A newcomer's mistake is met by a message that names the fix, and by no traceback."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from rendering import ENVIRONMENT, render_command
from scaffolding import PATIENCE, ROOT, installed_project, read_env, run
from serving import free_port

pytestmark = pytest.mark.xdist_group("first minutes")  # they share a project and its databases
PYTHON = ".venv/bin/python"
INITIAL_DATA = (PYTHON, "-m", "app.initial_data")
ALEMBIC = (PYTHON, "-m", "alembic", "upgrade", "head")
OPENAPI = (PYTHON, "-m", "app.openapi")  # the quickest command that reads the settings
START = (PYTHON, "scripts/databases.py", "start")
NOWHERE = "postgresql://postgres:swordfish@127.0.0.1:1/test"  # nobody listens there


@pytest.fixture(scope="module")
def installed(template: Path, environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One project for the whole file. It waits at most a second for a database that doesn't response_to."""
    with installed_project(template, environment, tmp_path_factory.mktemp("first minutes")) as project:
        env = project / "alembic/env.py"
        code = env.read_text()
        env.write_text(code.replace("CONNECT_TIMEOUT = 5", "CONNECT_TIMEOUT = 1"))
        assert env.read_text() != code
        yield project


@pytest.fixture
def databases(installed: Path) -> dict[str, str]:
    """The project's settings, with its databases running."""
    result = run(*START, cwd=installed)
    assert result.returncode == 0, result.stdout + result.stderr
    return read_env(installed)


@pytest.fixture
def env_file(installed: Path) -> Iterator[Path]:
    """The project's .env, for one test to change."""
    path = installed / ".env"
    before = path.read_bytes()
    yield path
    path.write_bytes(before)


@pytest.fixture
def taken_port() -> Iterator[int]:
    """The port of a server that closes every connection at once."""
    with ThreadingTCPServer(("127.0.0.1", 0), BaseRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def stand_in(folder: Path, name: str, script: str) -> dict[str, str]:
    """The variables that make a command find this shell script first."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{ENVIRONMENT['PATH']}"}


def refusal(project: Path, *command: str, **variables: str) -> str:
    """The output of a command, which has to fail."""
    result = run(*command, cwd=project, environment={"DATABASE_CONNECT_TIMEOUT": str(PATIENCE)} | variables)
    output = result.stdout + result.stderr
    assert result.returncode != 0, output
    assert "Traceback" not in output
    assert "swordfish" not in output
    return output


# Settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("SECRET_KEY=.*", "SECRET_KEY="), "SECRET_KEY: must be set; `make secret-key` prints a good one"),
        (("DATABASE_URL=.*", ""), "DATABASE_URL must be set, e.g. postgresql://user:password@host:5432/name"),
        (("DATABASE_URL=postgresql", "DATABASE_URL=mysql"), "DATABASE_URL: must look like postgresql://"),
        (("ALLOWED_HOSTS=", "ALOWED_HOST=*"), "ALOWED_HOST: no such setting; did you mean ALLOWED_HOSTS?"),
        (("METRICS_PORT=", "METRICS_PORT=soon"), "METRICS_PORT: Input should be a valid integer"),
        (("ENVIRONMENT=dev\n(.*\n)*SECRET_KEY=.*", "ENVIRONMENT=production\nSECRET_KEY=swordfish"), "32 characters"),
        (("FIRST_SUPERUSER_EMAIL=.*", "FIRST_SUPERUSER_EMAIL=me"), "FIRST_SUPERUSER_EMAIL: value is not a valid email"),
        (("FIRST_SUPERUSER_PASSWORD=.*", "FIRST_SUPERUSER_PASSWORD=abc"), "should have at least 8 characters, not 3"),
    ],
)
def test_wrong_setting_is_named(change: tuple[str, str], message: str, installed: Path, env_file: Path) -> None:
    pattern, new = change
    env_file.write_text(re.sub(f"^{pattern}", new, env_file.read_text(), flags=re.MULTILINE))
    assert message in refusal(installed, *OPENAPI)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("METRICS_PORT", '"9090"', "METRICS_PORT: is in quotes, which are part of the value here: remove them"),
        ("METRICS_PORT", "9090\r", "METRICS_PORT: ends with a carriage return: give the file that sets it Unix line"),
    ],
)
def test_quotes_and_line_ends_in_a_variable_are_reported(name: str, value: str, message: str, installed: Path) -> None:
    assert message in refusal(installed, *OPENAPI, **{name: value})


def test_quotes_and_windows_line_ends_in_env_do_no_harm(installed: Path, env_file: Path) -> None:
    lines = env_file.read_text().splitlines()
    quoted = [re.sub("^([A-Z_]+)=(.+)", r'\1="\2"', line) for line in lines]
    env_file.write_bytes("\r\n".join(quoted).encode())
    shown = "from app.core.config import settings; print(settings.secret_key.get_secret_value())"
    key = next(line for line in lines if line.startswith("SECRET_KEY=")).partition("=")[2]
    assert run(PYTHON, "-c", shown, cwd=installed).stdout == f"{key}\n"


@pytest.mark.parametrize("command", [("bash", "init.sh"), INITIAL_DATA, (PYTHON, "-m", "uvicorn", "app.main:app")])
def test_missing_env_is_reported(command: tuple[str, ...], installed: Path, env_file: Path) -> None:
    env_file.unlink()
    assert "There is no .env here; `make env` writes one." in refusal(installed, *command)


def test_env_in_another_encoding_is_reported(installed: Path, env_file: Path) -> None:
    env_file.write_text(env_file.read_text(), encoding="utf-16")
    assert ".env can't be read; it must be UTF-8" in refusal(installed, *OPENAPI)
    assert "DATABASE_URL can't be read: 'utf-8' codec" in refusal(installed, *START)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://postgres@127.0.0.1:1/app", "`make env` writes a .env with it and all secrets"),
        ("postgresql://postgres:swordfish@127.0.0.1:http/app", "DATABASE_URL: must look like postgresql://"),
        ("postgresql://postgres:sword/fi@sh@127.0.0.1:1/app", "DATABASE_URL: has a second @"),
        ("", "DATABASE_URL must be set"),
    ],
)
def test_url_that_cannot_be_served_is_reported(url: str, message: str, installed: Path) -> None:
    assert message in refusal(installed, *START, DATABASE_URL=url)


# Python, make, ports


def test_template_refuses_an_old_python(template: Path, tmp_path: Path) -> None:
    pretend = (
        "import sys\nif '-m' not in sys.orig_argv:\n    sys.version_info, sys.version = (3, 10), '3.10.13 (old)'\n"
    )
    (tmp_path / "sitecustomize.py").write_text(pretend)
    command = render_command(template, tmp_path / "out")
    result = run(*command, environment={"HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)})
    assert result.returncode == 1
    sentence = "A project needs Python 3.11 or newer, but this cookiecutter runs on 3.10.13."
    assert result.stderr.startswith(sentence)  # cookiecutter's own words on its hooks follow
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("script", "found"),
    [('test "$1" = --version && echo Python 3.10.13', "3.10.13"), ("exit 127", "none")],
    ids=["old, or without venv", "none"],
)
def test_project_refuses_an_old_python(script: str, found: str, installed: Path, tmp_path: Path) -> None:
    stand_in(tmp_path, "python3", script)
    make = shutil.which("make", path=ENVIRONMENT["PATH"])
    assert make
    said = refusal(installed, make, "env", f"VENV={tmp_path / 'new'}", PATH=str(tmp_path))
    assert "This needs Python 3.11 or newer with its venv module" in said
    assert re.search(f"Found: .*{re.escape(found)}$", said, re.MULTILINE)


def test_packages_that_cannot_be_installed_are_reported(installed: Path, tmp_path: Path) -> None:
    python = shlex.quote(sys.executable)
    without_pip = stand_in(tmp_path, "python3", f'test "$1" = -c || exec {python} "$@" --without-pip')
    said = refusal(installed, "make", "env", f"VENV={tmp_path / 'new'}", **without_pip)
    assert "which takes a minute" in said
    assert "The packages could not be installed, for the reason above." in said


def test_init_says_how_to_install_the_dependencies(installed: Path, tmp_path: Path) -> None:
    bare = stand_in(tmp_path, "python", "exit 1")
    output = refusal(installed, "bash", "init.sh", VENV="nowhere", **bare)
    assert "The dependencies aren't installed here: `make env` installs them into .venv." in output


def test_databases_script_says_which_python_to_use(installed: Path) -> None:
    assert "use .venv/bin/python, which `make env` sets up" in refusal(installed, sys.executable, "-S", *START[1:])


def test_unknown_target_is_reported(installed: Path) -> None:
    assert "There is no `make migrations`; `make` alone prints the list." in refusal(installed, "make", "migrations")


def test_the_application_is_no_script_and_says_what_to_run(installed: Path) -> None:
    assert "Run `make dev` instead" in refusal(installed, PYTHON, "app/main.py")


@pytest.mark.usefixtures("databases")
def test_migration_without_a_name_is_refused(installed: Path) -> None:
    assert 'Say what it does: make migration name="add toys"' in refusal(installed, "make", "migration")


@pytest.mark.usefixtures("databases")
def test_port_of_the_server_is_taken(installed: Path, taken_port: int) -> None:
    said = refusal(installed, "make", "dev", f"PORT={taken_port}")
    assert f"Port '{taken_port}' is taken, or not a number from 1024 to 65535. Try: make dev PORT=8001" in said


@pytest.mark.usefixtures("databases")
def test_host_that_is_not_of_this_machine_is_reported(installed: Path) -> None:
    said = refusal(installed, "make", "dev", "PORT=0", "HOST=192.0.2.1")
    assert "'192.0.2.1' is no address of this machine" in said


@pytest.mark.usefixtures("databases")
@pytest.mark.parametrize("host", ["0.0.0.0", "[::1]"])  # noqa: S104
def test_server_says_when_it_ends_that_the_databases_run_on(host: str, installed: Path, tmp_path: Path) -> None:
    port = free_port()
    terminal, its_end = os.openpty()
    command = ["make", "dev", f"PORT={port}", f"HOST={host}"]
    log = tmp_path / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, cwd=installed, env=ENVIRONMENT, stdin=its_end, stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while "startup complete" not in log.read_text():
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        assert f"running on http://{host}:{port}" in log.read_text()
    finally:
        os.killpg(server.pid, signal.SIGINT)  # Ctrl-C reaches make, its shell and the server
        server.wait(PATIENCE)
        os.close(terminal)
        os.close(its_end)
    assert "The databases run on: make stop stops them." in log.read_text()


@pytest.mark.usefixtures("databases")
def test_a_copy_of_the_folder_leaves_the_databases_of_the_original_alone(installed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copied = run("cp", "-a", installed, copy)
    assert copied.returncode == 0, copied.stderr
    stopped = run("make", "stop", cwd=copy)
    assert stopped.returncode == 0, stopped.stderr
    assert stopped.stdout.count(f"is another project's, in {installed}/.postgres/") == 2
    assert run(*START, cwd=installed).stdout.count(": responds at") == 2

    renamed = installed.rename(tmp_path / "renamed")
    stopped = run("make", "stop", cwd=renamed)
    started = run(PYTHON, "scripts/databases.py", "start", cwd=renamed.rename(installed))
    assert "another project's" not in stopped.stdout
    assert started.stdout.count("Starting a private PostgreSQL") == 2


@pytest.mark.parametrize("port", ["70000", "http", ""])
def test_invalid_port_of_the_demo_is_reported(port: str) -> None:
    assert f"PORT is a number from 1 to 65535, not {port!r}." in refusal(ROOT, sys.executable, "scripts/demo.py", port)


def test_taken_port_of_a_database_is_reported(installed: Path, taken_port: int, tmp_path: Path) -> None:
    off = stand_in(tmp_path, "docker", "exit 1")
    url = f"postgresql://postgres:swordfish@127.0.0.1:{taken_port}/app"
    said = refusal(installed, *START, DATABASE_URL=url, TEST_DATABASE_URL=url, **off)
    assert f"Port {taken_port} is taken by another program" in said
    assert "change the port in .env, in both places" in said


@pytest.mark.usefixtures("databases")
def test_stop_spares_a_stranger_that_has_the_process_id_of_a_crashed_server(installed: Path, taken_port: int) -> None:
    folder = installed / ".postgres/database"
    assert run("make", "stop", cwd=installed).returncode == 0
    with subprocess.Popen(["sleep", "infinity"]) as stranger:
        (folder / "postmaster.pid").write_text(f"{stranger.pid}\n{folder}\n0\n{taken_port}\n")
        stopped = run("make", "stop", cwd=installed)
        (folder / "postmaster.pid").unlink()
        is_running = stranger.poll() is None
        stranger.kill()

    assert stopped.returncode == 0
    assert is_running


@pytest.mark.usefixtures("databases")
def test_database_starts_although_a_stranger_has_the_process_id_of_the_crashed_server(installed: Path) -> None:
    noted = installed / ".postgres/database/postmaster.pid"
    server = int(noted.read_text().splitlines()[0])
    with subprocess.Popen(["sleep", "infinity"]) as stranger:
        os.kill(server, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        while Path(f"/proc/{server}").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        noted.write_text(noted.read_text().replace(str(server), str(stranger.pid), 1))
        started = run("make", "databases", cwd=installed)
        stranger.kill()

    assert started.returncode == 0, started.stdout + started.stderr


# Docker


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        ("Cannot connect to the Docker daemon at unix:///docker.sock. Is the docker daemon running?", "start it"),
        ("permission denied while trying to connect to the Docker daemon socket at unix:///docker.sock", "join its"),
        ("docker: 'compose' is not a docker command.\nSee 'docker --help'", "install its Compose plugin"),
        ("docker: unknown command: docker compose", "install its Compose plugin"),
    ],
)
def test_docker_that_cannot_be_used_is_reported_with_a_fix(
    words: str, fix: str, installed: Path, taken_port: int, tmp_path: Path
) -> None:
    docker = stand_in(tmp_path, "docker", f'echo "{words}" >&2; exit 1')
    # a port that is taken, so that no private PostgreSQL has to start for this
    url = f"postgresql://postgres:swordfish@127.0.0.1:{taken_port}/app"
    said = refusal(installed, *START, DATABASE_URL=url, TEST_DATABASE_URL=url, **docker)
    assert f"Docker is installed, but can't be used: {words.splitlines()[0]}\nTo use its databases, {fix}" in said
    assert "Starting a private PostgreSQL" in said


def test_docker_that_cannot_start_the_databases_is_reported(installed: Path, tmp_path: Path) -> None:
    fails = "Bind for 127.0.0.1:5432 failed: port is already allocated"
    docker = stand_in(tmp_path, "docker", f'test "$2" = ls || {{ echo "{fails}" >&2; exit 1; }}')
    said = refusal(installed, *START, DATABASE_URL=NOWHERE, TEST_DATABASE_URL=NOWHERE, **docker)
    assert f"{fails}\nDocker could not start the databases; see its message above." in said


# The database


@pytest.mark.parametrize("command", [("bash", "init.sh"), INITIAL_DATA])
def test_unreachable_database_is_reported(command: tuple[str, ...], installed: Path) -> None:
    output = refusal(installed, *command, DATABASE_URL=NOWHERE)
    assert "database at 127.0.0.1:1 " in output
    assert "`make databases` starts" in output


def test_tests_report_a_wrong_password(installed: Path, databases: dict[str, str]) -> None:
    url = re.sub(":[^:]*@", ":swordfish@", databases["TEST_DATABASE_URL"])
    command = (PYTHON, "-m", "pytest", "app/tests/test_health.py", "-k", "root")
    output = refusal(installed, *command, TEST_DATABASE_URL=url)
    assert "TEST_DATABASE_URL is unavailable at 127.0.0.1:" in output
    assert 'password authentication failed for user "postgres"' in output


def test_initial_data_says_which_python_to_use(installed: Path) -> None:
    output = refusal(installed, sys.executable, "-S", *INITIAL_DATA[1:])
    assert "use .venv/bin/python, which `make env` sets up" in output


def test_tests_report_an_unreachable_database(installed: Path) -> None:
    output = refusal(installed, PYTHON, "-m", "pytest", TEST_DATABASE_URL=NOWHERE)
    assert "TEST_DATABASE_URL is unavailable at 127.0.0.1:1 (" in output
    assert "`make test` starts it" in output


@pytest.mark.parametrize("command", [ALEMBIC, INITIAL_DATA])
@pytest.mark.parametrize(
    ("pattern", "new", "reason"),
    [
        (":[^:]*@", ":swordfish@", 'password authentication failed for user "postgres"'),
        ("/app$", "/nowhere", 'database "nowhere" does not exist'),
    ],
)
def test_database_that_refuses_is_reported(
    command: tuple[str, ...], pattern: str, new: str, reason: str, installed: Path, databases: dict[str, str]
) -> None:
    output = refusal(installed, *command, DATABASE_URL=re.sub(pattern, new, databases["DATABASE_URL"]))
    assert f"database at 127.0.0.1:{databases['POSTGRES_PORT']} " in output
    assert reason in output
    assert "DATABASE_URL" in output


def unmigrated(databases: dict[str, str]) -> dict[str, str]:
    return {"DATABASE_URL": databases["DATABASE_URL"].removesuffix("app") + "postgres"}


def test_initial_data_reports_missing_migrations(installed: Path, databases: dict[str, str]) -> None:
    output = refusal(installed, *INITIAL_DATA, **unmigrated(databases))
    assert 'relation "users" does not exist' in output
    assert "`make migrate` or `bash init.sh` applies the migrations" in output


def response_to(request: str | Request) -> tuple[int, str]:
    try:
        with urlopen(request, timeout=PATIENCE) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_missing_migrations_are_a_503_and_reported_in_the_log(
    installed: Path, databases: dict[str, str], tmp_path: Path
) -> None:
    port = free_port()
    log = tmp_path / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [PYTHON, "-m", "uvicorn", "app.main:app", "--port", str(port)],
            cwd=installed,
            env=ENVIRONMENT | unmigrated(databases) | {"MAIL_SENDER": "process"},  # a sender would log the same
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while "running on" not in log.read_text():
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        here = f"http://127.0.0.1:{port}"
        assert response_to(f"{here}/health/ready") == (503, '{"status":"failed","checks":{"database":"no migrations"}}')
        status, said = response_to(Request(f"{here}/auth/access-token", b"username=ana@example.com&password=swordfish"))
        assert (status, said) == (
            503,
            '{"detail":"The service is temporarily unavailable, try again","error":"temporarily_unavailable"}',
        )
        assert response_to(Request(f"{here}/docs", method="HEAD")) == (200, "")
    finally:
        server.terminate()
        server.wait(PATIENCE)
    assert log.read_text().count("The database is unavailable: ") == 1
    assert log.read_text().count("`make migrate` or `bash init.sh` applies the migrations") == 2
    assert "Traceback" not in log.read_text()


NEWER = """
import asyncio, asyncpg, sys
async def main():
    connection = await asyncpg.connect(sys.argv[1])
    await connection.execute("CREATE TABLE alembic_version AS SELECT 'newer' AS version_num")
asyncio.run(main())
"""


def test_newer_database_stops_migrations_but_not_tests(installed: Path, databases: dict[str, str]) -> None:
    url = databases["TEST_DATABASE_URL"]
    assert run(PYTHON, "-c", NEWER, url, cwd=installed).returncode == 0
    assert "is at migration newer, which this code doesn't have" in refusal(installed, *ALEMBIC, DATABASE_URL=url)
    result = run(PYTHON, "-m", "pytest", "app/tests/test_health.py", "-k", "root", cwd=installed)
    assert result.returncode == 0, result.stdout
