"""The machine: which core runs what, what it costs, and whether anything else is running. Linux only."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))
SERVER, OTHERS = {CORES[0]}, {CORES[-1]}  # the server has a core to itself; the database and the client share another
TICK: int = os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Whatever is started inside the block runs on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def statistics_of(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the third on; the second, a name in brackets, may contain spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def family(*ancestors: int) -> set[int]:
    """The processes and all their descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            parents[int(entry.name)] = int(statistics_of(int(entry.name))[1])
    found = set(ancestors)
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def seconds_of(*ancestors: int) -> float:
    """CPU seconds of the processes and their descendants, including those that have ended."""
    ticks = 0
    for pid in family(*ancestors):
        with contextlib.suppress(OSError):
            ticks += sum(int(field) for field in statistics_of(pid)[11:15])
    return ticks / TICK


def resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Watch:
    """Measures the share of all cores that other programs or the hypervisor took inside the block."""

    def __init__(self, *ours: int) -> None:
        self.ours = (os.getpid(), *ours)

    def __enter__(self) -> "Watch":
        self.before = self._now()
        return self

    def __exit__(self, *_: object) -> None:
        foreign, elapsed = (now - before for now, before in zip(self._now(), self.before, strict=True))
        self.disturbance = max(0.0, foreign) / (elapsed * (os.cpu_count() or 1))

    def _now(self) -> tuple[float, float]:
        ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        # User, nice, system and steal; interrupts can't be attributed to any program.
        return (sum(ticks[:3]) + ticks[7]) / TICK - seconds_of(*self.ours), time.perf_counter()
