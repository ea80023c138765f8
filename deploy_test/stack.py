"""A small production system on one machine: HAProxy, two replicas, PgBouncer, PostgreSQL and a mail server."""

import contextlib
import http.client
import os
import pwd
import re
import secrets
import signal
import socket
import subprocess
import time
from collections import Counter
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

POST_MAILS = """\
WITH owners AS (
  INSERT INTO users (id, email, hashed_password, is_superuser)
  SELECT gen_random_uuid(), '{prefix}-' || number || '@example.com', '-', false FROM generate_series(1, {count}) number
  RETURNING id, email)
INSERT INTO outgoing_mails (id, kind, address, user_id)
SELECT gen_random_uuid(), 'password_changed', email, id FROM owners
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

        pooler, balancer, mail, first, second = (free_port() for _ in range(5))
        (folder / "users.txt").write_text(f'"postgres" "{self.database.password}"\n')
        (folder / "pgbouncer.ini").write_text(PGBOUNCER.format(postgres=self.database.port, port=pooler))
        (folder / "haproxy.cfg").write_text(HAPROXY.format(port=balancer, first=first, second=second))
        self.pooler = Program("pgbouncer", pooler, [*as_nobody, "pgbouncer", "pgbouncer.ini"], folder, environment)
        self.balancer = Program("haproxy", balancer, ["haproxy", "-db", "-f", "haproxy.cfg"], folder, environment)
        python = str(project / ".venv/bin/python")
        keep = ["-n", "-c", "aiosmtpd.handlers.Debugging", "stdout", "-l", f"127.0.0.1:{mail}"]
        unbuffered = environment | {"PYTHONUNBUFFERED": "1"}
        self.mail_server = Program("mail", mail, [python, "-m", "aiosmtpd", *keep], folder, unbuffered)

        settings = {
            "ENVIRONMENT": "production",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "DATABASE_URL": f"postgresql://postgres:{self.database.password}@127.0.0.1:{pooler}/app",
            "DATABASE_POOLER": "transaction",
            "MAIL_URL": f"smtp://127.0.0.1:{mail}",
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
        for program in (self.mail_server, self.pooler, *self.replicas, self.balancer):
            program.start()
        wait_until(self.responds, "the first response")

    def responds(self) -> bool:
        return get(self.balancer.port, "/health/ready") == 200

    def stop(self) -> None:
        for program in (self.balancer, *self.replicas, self.pooler, self.mail_server):
            program.end()
        self.stop_database()

    def start_database(self) -> None:
        private_postgres.start(self.folder / "database", self.database)

    def stop_database(self) -> None:
        private_postgres.stop(self.folder / "database")

    def kill_database(self) -> None:
        os.kill(private_postgres.noted_pid_and_port(self.folder / "database")[0], signal.SIGKILL)

    def ask_database(self, statement: str) -> list[str]:
        """The first column of the answer of PostgreSQL itself, whatever the replicas have reported."""
        assert private_postgres.PROGRAMS is not None  # noqa: S101
        url = f"postgresql://postgres:{self.database.password}@127.0.0.1:{self.database.port}/app"
        psql = [str(private_postgres.PROGRAMS / "psql"), "-qAt", "-c", statement, url]
        return subprocess.run(psql, capture_output=True, text=True, check=True).stdout.split()

    def post_mails(self, prefix: str, count: int) -> None:
        """Let the replicas send a mail each to so many addresses, which begin with the prefix."""
        self.ask_database(POST_MAILS.format(prefix=prefix, count=count))

    def sent_mails(self) -> Counter[str]:
        """How many have come to each address, once all are sent: those of killed processes, too."""
        self.ask_database("UPDATE outgoing_mails SET due_at = now() WHERE due_at IS NOT NULL")
        wait_until(lambda: self.ask_database("SELECT count(*) FROM outgoing_mails") == ["0"], "sending all mails")
        return Counter(re.findall(r"^To: (\S+)", (self.folder / "mail.log").read_text(), re.MULTILINE))
