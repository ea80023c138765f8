"""Start or stop the databases behind DATABASE_URL and TEST_DATABASE_URL: `python scripts/databases.py start|stop`.

The databases run in the containers of docker-compose.yml if a Docker engine responds, otherwise in .postgres/.
A URL that already works, or that points to another machine, is left alone.
"""

import asyncio
import fcntl
import subprocess
import sys
from pathlib import Path

import private_postgres
from private_postgres import Address

PROJECT = Path(__file__).resolve().parent.parent
sys.path.append(str(PROJECT))

try:
    from sqlalchemy import URL

    from app.core.database_url import PORT, address, given, servers, to_asyncpg_url, why_refused
except ModuleNotFoundError:
    sys.exit("This Python has no dependencies installed: use .venv/bin/python, which `make env` sets up.")

FOLDER = PROJECT / ".postgres"
SERVICES = {"DATABASE_URL": "database", "TEST_DATABASE_URL": "test-database"}  # as docker-compose.yml names them
# As in docker-compose.yml.
SETTINGS = {"test-database": ("fsync=off", "synchronous_commit=off", "full_page_writes=off")}


def read_url(setting: str) -> URL:
    """Read the URL from the environment or else from .env."""
    try:
        url = given(setting, PROJECT / ".env")
        if not url:
            sys.exit(f"{setting} must be set. `make env` writes a .env with it and all secrets, if there is none.")
        return to_asyncpg_url(url)
    except UnicodeDecodeError as error:
        sys.exit(f"{setting} can't be read: {error}.")
    except ValueError as error:
        sys.exit(f"{setting}: {error}")


def address_to_serve(setting: str, url: URL, reason: str) -> Address:
    """The parts of the URL that a private server needs to serve it."""
    if url.host not in {"127.0.0.1", "localhost"} or not (url.username and url.password):
        sys.exit(
            f"{setting} is unavailable at {address(url)} ({reason}).\nStart that database or, to have one started,"
            " write postgresql://user:password@127.0.0.1:port/name. `make env` writes a .env with it and all secrets,"
            " if there is none."
        )
    return Address(url.host, url.port or PORT, url.username, url.password, url.database or "")


def docker_refusal() -> str | None:
    """Why Docker can't run the databases, in its own words; empty if it isn't installed, None if it can."""
    command = ["docker", "compose", "ls"]  # needs both the engine and the plugin
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except FileNotFoundError:
        return ""
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (result.stderr.strip() or "no reason given").splitlines()[0] if result.returncode else None


def fix(refusal: str) -> str:
    if "permission denied" in refusal:
        return "join its group (sudo usermod -aG docker $USER) and log in again"
    if "unknown command" in refusal or "not a docker command" in refusal:
        return "install its Compose plugin"
    return "start it"


def compose(*arguments: str) -> bool:
    return subprocess.run(["docker", "compose", *arguments], cwd=PROJECT, check=False).returncode == 0


def start() -> None:
    missing: dict[str, Address] = {}
    for setting, service in SERVICES.items():
        url = read_url(setting)
        if any(host != "localhost" for host, _ in servers(url)):
            print(f"{setting}: left alone, {address(url)} is another machine.")
        elif reason := asyncio.run(why_refused(url)):
            missing[service] = address_to_serve(setting, url, reason)
        else:
            print(f"{setting}: responds at {address(url)}.")
    if not missing:
        return
    refusal = docker_refusal()
    if refusal is None:
        start_containers(missing)
        return
    if refusal:
        print(f"Docker is installed, but can't be used: {refusal}")
        print(f"To use its databases, {fix(refusal)}, then `make stop` and `make databases`. Until then:")
    for service, served in missing.items():
        print(f"Starting a private PostgreSQL on port {served.port}, in {FOLDER.name}/{service}.", flush=True)
        private_postgres.start(FOLDER / service, served, SETTINGS.get(service, ()))


def start_containers(missing: dict[str, Address]) -> None:
    for service in missing:
        private_postgres.stop(FOLDER / service)  # it may hold the port
    if not compose("up", "--detach", "--wait", *missing):
        sys.exit(
            "Docker could not start the databases; see its message above. If a port is taken, change it in .env, in"
            " both places. While Docker is stopped, a private PostgreSQL takes its place."
        )
    if any(asyncio.run(why_refused(read_url(setting))) for setting, service in SERVICES.items() if service in missing):
        sys.exit(
            "The containers run, but don't accept the URLs. Make .env and docker-compose.yml agree. The volume may"
            " still have an older password: `docker compose down --volumes` deletes it, with all data."
        )


def stop() -> None:
    for service in SERVICES.values():
        private_postgres.stop(FOLDER / service)
    if docker_refusal() is None and not compose("stop", *SERVICES.values()):
        sys.exit("Docker could not stop the databases; see its message above.")
    print("The databases are stopped.")


def main() -> None:
    actions = {"start": start, "stop": stop}
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        sys.exit("Usage: python scripts/databases.py start|stop")
    try:
        FOLDER.mkdir(mode=0o700, exist_ok=True)
        with (FOLDER / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a second start waits, and then finds both running
            actions[sys.argv[1]]()
    except PermissionError as error:
        sys.exit(f"This user may not use {error.filename}: continue as the owner of the project.")
    except OSError as error:  # a full disk, for example
        sys.exit(f"Could not {sys.argv[1]} the databases: {error}.")


if __name__ == "__main__":
    main()
