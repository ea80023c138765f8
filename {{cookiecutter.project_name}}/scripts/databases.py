"""Start or stop the databases behind DATABASE_URL and TEST_DATABASE_URL: `python scripts/databases.py start|stop`.

Where a Docker engine answers they are those of docker-compose.yml, else a private PostgreSQL in .postgres/.
A URL that works already, or that points to another machine, is left alone.
"""

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import private_postgres
from private_postgres import Address

PROJECT = Path(__file__).resolve().parent.parent
FOLDER = PROJECT / ".postgres"
SERVICES = {"DATABASE_URL": "database", "TEST_DATABASE_URL": "test-database"}  # as docker-compose.yml names them
SETTINGS = {"test-database": ("fsync=off", "synchronous_commit=off", "full_page_writes=off")}  # there, too


def read_address(setting: str) -> Address:
    """Parse the URL, of the environment or else of .env."""
    path = PROJECT / ".env"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    values = {name.strip(): value.strip().strip("'\"") for name, _, value in (line.partition("=") for line in lines)}
    url = urlsplit(os.environ.get(setting) or values.get(setting, ""))
    user, password, name = (unquote(part or "") for part in (url.username, url.password, url.path[1:]))
    if not (url.hostname and user and password and name):
        sys.exit(f"{setting} must be postgresql://user:password@host:port/name; `make env` writes a missing .env.")
    return Address(url.hostname, url.port or 5432, user, password, name)


def docker_answers() -> bool:
    command = ["docker", "compose", "ls"]  # needs both the engine and the plugin
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def compose(*arguments: str) -> None:
    if subprocess.run(["docker", "compose", *arguments], cwd=PROJECT, check=False).returncode:
        sys.exit("Docker could not do that; its reason stands above.")


def start() -> None:
    missing: dict[str, Address] = {}
    for setting, service in SERVICES.items():
        address = read_address(setting)
        if address.host not in {"127.0.0.1", "localhost"}:
            print(f"{setting}: left alone, {address.host} is another machine.")
        elif private_postgres.answers(address):
            print(f"{setting}: answers on port {address.port}.")
        else:
            missing[service] = address
    if missing and docker_answers():
        start_containers(missing)
    else:
        for service, address in missing.items():
            print(f"Starting a private PostgreSQL on port {address.port}, in {FOLDER.name}/{service}.", flush=True)
            private_postgres.start(FOLDER / service, address, SETTINGS.get(service, ()))


def start_containers(missing: dict[str, Address]) -> None:
    for service in missing:
        private_postgres.stop(FOLDER / service)  # it may hold the port
    compose("up", "--detach", "--wait", *missing)
    if private_postgres.PROGRAMS and not all(private_postgres.answers(address) for address in missing.values()):
        sys.exit(
            "The containers run, but don't take the URLs. Make .env and docker-compose.yml agree; an older password"
            " lives on in the volume, and goes with all data by `docker compose down --volumes`."
        )


def stop() -> None:
    for service in SERVICES.values():
        private_postgres.stop(FOLDER / service)
    if docker_answers():
        compose("stop", *SERVICES.values())
    print("The databases are stopped.")


def main() -> None:
    actions = {"start": start, "stop": stop}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        sys.exit("Usage: python scripts/databases.py start|stop")
    try:
        FOLDER.mkdir(mode=0o700, exist_ok=True)
        with (FOLDER / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a second start waits, and then finds all running
            actions[sys.argv[1]]()
    except PermissionError as error:
        sys.exit(f"{error.filename} belongs to another user: go on as that one, or remove .postgres/ as that one.")


if __name__ == "__main__":
    main()
