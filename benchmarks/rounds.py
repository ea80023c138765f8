"""Rounds of load, which count only if nothing else was running, and how their figures are computed and printed."""

import contextlib
import re
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from accounts import Accounts
from load import Seen
from machine import SERVER, Watch
from servers import Postgres, Server

ATTEMPTS = 3  # at each round
STARTS = 6  # two starts of the same server differ by up to a tenth
STATEMENT = re.compile(r"LOG:  (execute|statement)\b(?!.*ALTER SYSTEM|.*pg_reload_conf)")


class Bench:
    """One run of the benchmark: its configuration, its database, and how its rounds are measured."""

    def __init__(self, configuration: dict[str, Any], postgres: Postgres) -> None:
        self.seconds: float = configuration["seconds"]
        self.rounds: int = configuration["rounds"]
        self.concurrency: int = configuration["concurrency"]
        self.limit: float = configuration["disturbance"]
        self.postgres = postgres
        self.worst = 0.0

    def undisturbed(self, measure: Callable[[], Seen]) -> Seen:
        for _ in range(ATTEMPTS):
            with Watch(self.postgres.pid) as watch:
                seen = measure()
            if watch.disturbance <= self.limit:
                self.worst = max(self.worst, watch.disturbance)
                return seen
        sys.exit(
            f"Nothing to report: other programs took {watch.disturbance:.0%} of this machine's cores, three times in a"
            f" row. At most {self.limit:.0%} is allowed."
        )

    def interleaved(self, *measures: Callable[[], Seen], starts: int = 1) -> list[list[Seen]]:
        """Measure all in turn, after one warm-up of each; every second round goes in reverse order."""
        seen: list[list[Seen]] = [[measure()][:0] for measure in measures]
        for number in range(max(1, self.rounds // starts)):
            order = list(enumerate(measures))
            for index, measure in order if number % 2 else reversed(order):
                seen[index].append(self.undisturbed(measure))
        return seen


def rate(seen: Seen) -> float:
    return len(seen["latencies"]) / seen["elapsed"]


def percentile(seen: Seen, share: float) -> float:
    return seen["latencies"][int(len(seen["latencies"]) * share)]


def ratio(above: list[Seen], below: list[Seen], figure: Callable[[Seen], float]) -> float:
    """The median over pairs of rounds, as what disturbs one of a pair mostly disturbs the other."""
    return statistics.median(figure(one) / figure(other) for one, other in zip(above, below, strict=True))


def milliseconds(rounds: list[Seen], share: float) -> float:
    return statistics.median(percentile(seen, share) for seen in rounds) * 1000


def row(*cells: object) -> None:
    print("|", " | ".join(str(cell) for cell in cells), "|", flush=True)


def over_starts(bench: Bench, everyone: list[Accounts], route: str) -> list[list[Seen]]:
    """Measure one route of everyone, over several starts of their servers."""
    seen: list[list[Seen]] = [[] for _ in everyone]
    for _ in range(STARTS):
        with contextlib.ExitStack() as stack:
            for one in everyone:
                one.server = stack.enter_context(Server(one.server.project, SERVER))
            loads = (partial(one.load, route, bench.seconds, bench.concurrency) for one in everyone)
            for rounds, more in zip(seen, bench.interleaved(*loads, starts=STARTS), strict=True):
                rounds += more
    return seen


def round_trips(postgres: Postgres, accounts: Accounts, route: str) -> float:
    """Round trips per request, from the database's log, which has one line for each message that it handled."""
    with logging_statements(postgres):
        before = postgres.log.stat().st_size
        seen = accounts.load(route, 0.2, 1, run_in=0.0)
    lines = postgres.log.read_bytes()[before:].decode().splitlines()
    return round(sum(bool(STATEMENT.search(line)) for line in lines) / len(seen["latencies"]), 2)


@contextlib.contextmanager
def logging_statements(postgres: Postgres) -> Iterator[None]:
    for value in ("all", "none"):
        postgres.run(
            "postgres", f"ALTER SYSTEM SET log_statement = '{value}'", "SELECT pg_reload_conf(), pg_sleep(0.2)"
        )
        if value == "all":
            yield
