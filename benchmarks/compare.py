"""Compare projects with the floor and print Markdown: ratios, with the goals beside them.

`scripts/bench.py` sets a project up and runs this with its Python.
"""

import contextlib
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from accounts import RUN_IN, Accounts, finish_load, load, start_load
from load import Seen
from machine import CORES, SERVER, resident_mib
from rounds import Bench, milliseconds, over_starts, percentile, rate, ratio, round_trips, row
from servers import HERE, Postgres, Project, Server, StartError, free_port, unit_command

GRANIAN = ["-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}", "--no-access-log"]
GRANIAN += ["--workers", "{workers}", "--log-level", "warning", "--http", "1", "--no-ws"]
GRANIAN += ["--http1-buffer-size", "32768", "--http1-header-read-timeout", "5000", "{application}"]  # Uvicorn's limits
BCRYPT = """
import bcrypt, os, sys, time
from concurrent.futures import ThreadPoolExecutor
cores, rounds, count = len(os.sched_getaffinity(0)), int(sys.argv[1]), int(sys.argv[2])
salt, begun = bcrypt.gensalt(rounds), time.perf_counter()
with ThreadPoolExecutor(cores) as threads:
    list(threads.map(lambda _: bcrypt.hashpw(b"x" * 44, salt), range(count)))
print(count / (time.perf_counter() - begun))
"""


def compare_routes(bench: Bench, floors: list[Accounts], accounts: list[Accounts]) -> None:
    print("\n| route | server | req/s | of the floor | goal | p50 ms | p99 ms | p99/p50 | round trips |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for route, description in accounts[0].server.project.routes.items():
        everyone = [*floors, *(one for one in accounts if route in one.server.project.routes)]
        seen = over_starts(bench, everyone, route)
        for one, rounds in zip(everyone, seen, strict=True):
            median = statistics.median(rate(seen) for seen in rounds)
            share, goal = ratio(rounds, seen[0], rate), "" if one in floors else description["goal"]
            p50, p99 = milliseconds(rounds, 0.5), milliseconds(rounds, 0.99)
            with Server(one.server.project, SERVER) as one.server:
                one.load(route, 0.5, bench.concurrency)  # opens the connections
                trips = round_trips(bench.postgres, one, route)
            figures = (f"{median:.0f}", f"{share:.2f}", goal, f"{p50:.1f}", f"{p99:.1f}", f"{p99 / p50:.1f}")
            row(route, one.server.project.name, *figures, f"{trips:g}")


def compare_logins(bench: Bench, floor: Project, project: Project) -> None:
    """On all cores: compare logins with bcrypt alone, and measure how much they delay other requests."""
    count = 8 * len(CORES)
    rounds_of_bcrypt = project.environment.get("SECURITY_BCRYPT_ROUNDS", "12")
    command = [sys.executable, "-c", BCRYPT, rounds_of_bcrypt, str(3 * count)]
    with Server(floor, set(CORES)) as floor_server, Server(project, set(CORES)) as server:
        ours, floors = Accounts(server, count).logged_in(), Accounts(floor_server, count).logged_in()
        alone, logins = [], []
        for _ in range(3):
            alone.append(float(subprocess.run(command, capture_output=True, check=True, start_new_session=True).stdout))
            logins.append(bench.undisturbed(partial(load, ours.logins(slice(8), 15.0))))
        share = statistics.median(rate(seen) / bound for seen, bound in zip(logins, alone, strict=True))
        row("logins beside bcrypt alone", project.name, f"{share:.2f}", "at least 0.95")
        seconds = 2 * bench.seconds  # a login takes long, and a p99 needs many requests
        seen = bench.interleaved(*(partial(under_logins, one, seconds) for one in (floors, ours)))
        slower = ratio(seen[1], seen[0], lambda seen: percentile(seen, 0.99))
        row("p99 of `GET /users/me` under 4 logins, beside the floor's", project.name, f"{slower:.2f}", "at most 1.5")


def under_logins(accounts: Accounts, seconds: float) -> Seen:
    logins = start_load(accounts.logins(slice(4, 8), seconds + RUN_IN))
    seen = accounts.load("GET /users/me", seconds, 4)
    finish_load(logins)
    return seen


def compare_observed(bench: Bench, project: Project) -> None:
    """Compare `GET /users/me` with request log and metrics to the same without."""
    environment = project.environment | {"METRICS_PORT": str(free_port())} | project.observed
    with Server(project, SERVER) as plain, Server(replace(project, environment=environment), SERVER) as watched:
        both = [Accounts(server, bench.concurrency).logged_in() for server in (plain, watched)]
    seen = over_starts(bench, both, "GET /users/me")
    row(
        "`GET /users/me` with log and metrics, beside without",
        project.name,
        f"{ratio(seen[1], seen[0], rate):.3f}",
        "at least 0.95",
    )


def compare_servers(bench: Bench, project: Project) -> None:
    """Compare `GET /users/me` under each installed server, and with two workers on all cores."""
    print("\n| server | workers | cores | beside uvicorn with one worker |\n|---|---:|---:|---:|")
    with contextlib.ExitStack() as stack:
        servers = [
            ("uvicorn", Server(project, SERVER)),
            ("uvicorn", Server(project, set(CORES))),
            ("uvicorn", Server(project, set(CORES), workers=2)),
        ]
        if shutil.which("unitd"):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            unit = Server(project, SERVER)
            unit.command = unit_command(project, folder, unit.port)
            servers.append(("Nginx Unit", unit))
        if importlib.util.find_spec("granian"):
            servers.append(("granian", Server(project, SERVER, command=GRANIAN)))
        accounts: list[Accounts] = []
        for name, server in servers:
            try:
                one = Accounts(stack.enter_context(server), bench.concurrency)
                # One login for all: whose logins were measured has as many sessions as an account keeps.
                one.tokens = accounts[0].tokens if accounts else one.logged_in().tokens
                accounts.append(one)
            except StartError:  # Unit was built for another Python than the virtual environment's
                row(name, "-", "-", "did not start with this Python")
        loads = (partial(one.load, "GET /users/me", bench.seconds, bench.concurrency) for one in accounts)
        seen = bench.interleaved(*loads)
        for one, rounds in zip(accounts, seen, strict=True):
            name = next(name for name, server in servers if server is one.server)
            row(name, one.server.workers, len(one.server.cores), f"{ratio(rounds, seen[0], rate):.2f}")


def show_profile(accounts: Accounts) -> None:
    print("\n## Profile of one request\n\nEach function's share of the own time; profiling itself slows all of them.")
    project = accounts.server.project
    requests = [
        (route, accounts.requests(route)[0], description.get("chain", ""))
        for route, description in project.routes.items()
    ]
    plan = json.dumps({"application": project.application, "requests": requests})
    subprocess.run(
        [project.python, HERE / "profile_requests.py"],
        input=plan,
        text=True,
        cwd=project.folder,
        env=os.environ | project.environment | {"PYTHONPATH": str(project.folder)},
        check=True,
    )


def read_projects(configuration: dict[str, Any], folder: Path, postgres: Postgres) -> list[Project]:
    projects = []
    for description in configuration["projects"]:
        place = {"folder": folder, "python": sys.executable} | description
        projects.append(Project(**place | {"folder": Path(place["folder"])}).prepared(postgres))
    return projects


def floors_beside(project: Project) -> list[Project]:
    """The floor, and the floor with the query by which asyncpg's pool resets each connection: a round trip more.

    Both use the first project's tables.
    """
    usual = replace(project, application="floor:app", folder=HERE, python=sys.executable)
    floor = replace(usual, name="floor", environment=usual.environment | {"WITHOUT_RESET": "1"})
    return [floor, replace(usual, name="floor, with asyncpg's reset")]


def measure(configuration: dict[str, Any], folder: Path, postgres: Postgres) -> None:
    bench = Bench(configuration, postgres)
    projects = read_projects(configuration, folder, postgres)
    floors = floors_beside(projects[0])
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(Server(project, SERVER)) for project in projects]
        everyone = [Accounts(server, bench.concurrency).registered().logged_in() for server in servers]
        for accounts in everyone:
            if "POST /pets/create" in accounts.server.project.routes:
                accounts.send("POST /pets/create", configuration["pets"])
        beside = [
            Accounts(stack.enter_context(Server(floor, SERVER)), bench.concurrency).logged_in() for floor in floors
        ]
    with_features = [accounts for accounts in everyone if accounts.server.project.has_features]
    print("## Beside the floor")
    compare_routes(bench, beside, with_features)
    print("\n| figure | server | measured | goal |\n|---|---|---:|---:|")
    for accounts in everyone:
        row_of_memory(bench, accounts)
        row_of_start(accounts.server.project)
    for accounts in with_features:
        compare_logins(bench, floors[0], accounts.server.project)
        if accounts.server.project.observed:
            compare_observed(bench, accounts.server.project)
    compare_servers(bench, projects[0])
    show_profile(everyone[0])
    print(f"\nOther programs took at most {bench.worst:.1%} of the cores during any round that counts.")


def row_of_memory(bench: Bench, accounts: Accounts) -> None:
    with Server(accounts.server.project, SERVER) as accounts.server:
        for route in accounts.server.project.routes:
            accounts.load(route, bench.seconds, bench.concurrency)
        mib = resident_mib(accounts.server.process.pid)
    project = accounts.server.project
    row(
        "resident memory after load, MiB",
        project.name,
        f"{mib:.0f}",
        "under 90" if project.has_features else "under 80",
    )


def row_of_start(project: Project) -> None:
    """The median without the first start, which compiles: the others find the byte code."""
    seconds = []
    for _ in range(4):
        with Server(project, SERVER) as server:
            seconds.append(server.seconds_to_start)
    goal = "under 1.0" if project.has_features else "under 0.5"
    row("start to the first answer, s", project.name, f"{statistics.median(seconds[1:]):.2f}", goal)


def main() -> None:
    with Path(sys.argv[1]).open("rb") as file:
        configuration = tomllib.load(file)
    if len(CORES) < 2:
        sys.exit("This needs two cores: one for the server, one for the database and the client.")
    folder = Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)  # as root, PostgreSQL runs as another user
        with Postgres(folder, Path(place) / "postgres") as postgres:
            measure(configuration, folder, postgres)


if __name__ == "__main__":
    main()
