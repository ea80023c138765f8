"""A small production system on one machine: HAProxy, two replicas, PgBouncer and PostgreSQL, all on free ports."""

import contextlib
import http.client
import os
import pwd
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import private_postgres  # the project's

TIMEOUT = 30  # seconds, for anything to start or stop
SHUTDOWN_DELAY = 2  # seconds; HAProxy checks twice a second

PGBOUNCER = """\
[databases]
* = host=127.0.0.1 port={postgres}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = users.txt
pool_mode = transaction
default_pool_size = 10
max_client_conn = 200
query_wait_timeout = 5
server_connect_timeout = 2
server_login_retry = 1
"""

HAPROXY = """\
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    retries 3
    option redispatch 1
frontend public
    bind 127.0.0.1:{port}
    default_backend replicas
backend replicas
    option httpchk GET /health/ready
    default-server check inter 500ms fall 1 rise 1
    server first 127.0.0.1:{first}
    server second 127.0.0.1:{second}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} took more than {TIMEOUT} s")
        time.sleep(0.05)


def get(port: int, path: str) -> int:
    """The status of the response, or 0 without one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status
    return 0


class Program:
    """A process that can be stopped, killed and started again as it was."""

    def __init__(self, name: str, port: int, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.name, self.port, self.command, self.folder, self.environment = name, port, command, folder, environment
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self.responds, f"starting {self.name}")

    def responds(self) -> bool:
        return private_postgres.listens(self.port)

    def end(self, ending: signal.Signals = signal.SIGTERM) -> int:
        """The exit status."""
        if self.process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(ending)
        return self.process.wait(TIMEOUT)


class Replica(Program):
    def responds(self) -> bool:
        return get(self.port, "/health/ready") == 200


class Stack:
    def __init__(self, project: Path, folder: Path) -> None:
        self.folder = folder
        self.database = private_postgres.Address("127.0.0.1", free_port(), "postgres", secrets.token_hex(16), "app")
        as_nobody: list[str] = []
        if os.geteuid() == 0:  # PgBouncer refuses to run as root
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            as_nobody = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
        environment = dict(os.environ)

        pooler, balancer, first, second = (free_port() for _ in range(4))
        (folder / "users.txt").write_text(f'"postgres" "{self.database.password}"\n')
        (folder / "pgbouncer.ini").write_text(PGBOUNCER.format(postgres=self.database.port, port=pooler))
        (folder / "haproxy.cfg").write_text(HAPROXY.format(port=balancer, first=first, second=second))
        self.pooler = Program("pgbouncer", pooler, [*as_nobody, "pgbouncer", "pgbouncer.ini"], folder, environment)
        self.balancer = Program("haproxy", balancer, ["haproxy", "-db", "-f", "haproxy.cfg"], folder, environment)

        settings = {
            "ENVIRONMENT": "production",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "DATABASE_URL": f"postgresql://postgres:{self.database.password}@127.0.0.1:{pooler}/app",
            "DATABASE_POOLER": "transaction",
            "SECURITY_BCRYPT_ROUNDS": "4",  # this test isn't about logins
            "SHUTDOWN_DELAY": str(SHUTDOWN_DELAY),
            "PYTHONPATH": str(project),
            "VENV": str(project / ".venv"),
        }
        serve = 'bash "$0/init.sh" && exec "$VENV/bin/python" -m uvicorn app.main:app --port "$1" --no-access-log'
        self.replicas = [
            Replica(name, port, ["bash", "-c", serve, str(project), str(port)], folder, environment | settings)
            for name, port in (("first", first), ("second", second))
        ]

    def start(self) -> None:
        self.start_database()
        for program in (self.pooler, *self.replicas, self.balancer):
            program.start()
        wait_until(self.responds, "the first response")

    def responds(self) -> bool:
        return get(self.balancer.port, "/health/ready") == 200

    def stop(self) -> None:
        for program in (self.balancer, *self.replicas, self.pooler):
            program.end()
        self.stop_database()

    def start_database(self) -> None:
        private_postgres.start(self.folder / "database", self.database)

    def stop_database(self) -> None:
        private_postgres.stop(self.folder / "database")

    def kill_database(self) -> None:
        os.kill(private_postgres.noted_pid_and_port(self.folder / "database")[0], signal.SIGKILL)

    def pet_names(self) -> list[str]:
        """The names in PostgreSQL itself, whatever the replicas have reported."""
        assert private_postgres.PROGRAMS is not None  # noqa: S101
        url = f"postgresql://postgres:{self.database.password}@127.0.0.1:{self.database.port}/app"
        query = [str(private_postgres.PROGRAMS / "psql"), "-At", "-c", "SELECT pet_name FROM pets", url]
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()
