"""Test two replicas under constant load, through a deploy and outages. Prints a table; fails if a promise is broken.

The promises: a rolling restart fails no request; whatever else happens, no response is a 500, requests succeed again
within RECOVERY seconds, every acknowledged write is there afterwards, exactly once, and every mail has been sent, once
where nothing fails.
"""

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGKILL

from clients import Load
from stack import Stack, wait_until

AROUND = 4  # seconds of load after each event
RECOVERY = 5  # seconds
MAILS = 40  # at each event
TABLE = "{:34} {:>8}  {:26} {:>9} {:>10}"


def rolling_restart(stack: Stack) -> None:
    for replica in stack.replicas:
        status = replica.end()
        if status != 0:
            sys.exit(f"A replica ended with {status} instead of 0")
        replica.start()
        time.sleep(1)  # until the load balancer has noticed


def killed_replica(stack: Stack) -> None:
    stack.replicas[0].end(SIGKILL)
    time.sleep(1)
    stack.replicas[0].start()


def restarted_pooler(stack: Stack) -> None:
    stack.pooler.end()
    stack.pooler.start()


def restarted_database(stack: Stack) -> None:
    stack.stop_database()
    stack.start_database()


def killed_database(stack: Stack) -> None:
    stack.kill_database()
    time.sleep(1)
    stack.start_database()


def undisturbed(_: Stack) -> None:
    time.sleep(AROUND)


EVENTS: dict[str, Callable[[Stack], None]] = {
    "undisturbed": undisturbed,
    "rolling restart of both replicas": rolling_restart,
    "kill -9 of a replica": killed_replica,
    "restart of PgBouncer": restarted_pooler,
    "restart of PostgreSQL": restarted_database,
    "kill -9 of PostgreSQL": killed_database,
}
WITHOUT_FAILURE = {undisturbed, rolling_restart}


@contextlib.contextmanager
def running(stack: Stack) -> Iterator[Load]:
    load = Load(stack.balancer.port)
    try:
        stack.start()
        load.start()
        yield load
    finally:
        load.stop()
        stack.stop()


def run(stack: Stack, load: Load) -> list[str]:
    """Cause all events, and return a message for each broken promise."""
    broken = []
    print(TABLE.format("while under load:", "requests", "failures", "slowest", "recovered"))
    for name, event in EVENTS.items():
        phase = load.begin()
        stack.post_mails(event.__name__, MAILS)
        event(stack)
        over = time.monotonic()
        wait_until(stack.responds, f"{name}: recovery")
        time.sleep(AROUND + RECOVERY if phase.failures else AROUND)
        recovered_after = max(0.0, phase.last_failure - over)
        failures = ", ".join(f"{count} x {kind}" for kind, count in sorted(phase.failures.items())) or "none"
        print(
            TABLE.format(name, phase.requests, failures, f"{phase.slowest:.2f} s", f"{recovered_after:.2f} s"),
            flush=True,
        )
        if phase.failures and event in WITHOUT_FAILURE:
            broken.append(f"{name}: {failures}")
        if "500" in phase.failures:
            broken.append(f"{name}: a response was a 500")
        if recovered_after > RECOVERY:
            broken.append(f"{name}: recovered only after {recovered_after:.2f} s")
    load.stop()
    return broken + broken_writes(stack, load) + broken_mails(stack)


def broken_writes(stack: Stack, load: Load) -> list[str]:
    found, acknowledged = stack.ask_database("SELECT pet_name FROM pets"), set(load.acknowledged)
    lost, doubled = acknowledged - set(found), len(found) - len(set(found))
    print(f"\nwrites: {len(acknowledged)} acknowledged, of which {len(lost)} not found; {doubled} found twice")
    return ["Writes were lost or made twice"] if lost or doubled else []


def broken_mails(stack: Stack) -> list[str]:
    sent = stack.sent_mails()
    posted = {f"{event.__name__}-{number}@example.com" for event in EVENTS.values() for number in range(1, MAILS + 1)}
    lost, twice = posted - set(sent), {address for address, count in sent.items() if count > 1}
    print(f"mails: {len(posted)} written, of which {len(lost)} not sent; {len(twice)} sent twice")
    avoidable = [address for address in twice if address.startswith(tuple(event.__name__ for event in WITHOUT_FAILURE))]
    return ["Mails were lost, or sent twice without need"] if lost or avoidable else []


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(sys.argv[1]), Path(folder))
        with running(stack) as load:
            broken = run(stack, load)
    print("\n".join(["", *broken]) if broken else "All promises were kept.")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
