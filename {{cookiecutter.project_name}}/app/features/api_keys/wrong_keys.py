"""Wrong keys, limited by network in the memory of each process: a flood of them must not become one of queries.

Nobody guesses 160 bits. So, unlike attempts at a password, these needn't be counted for all processes together.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Hashable
from datetime import timedelta
from typing import Final, TypeVar

from app.auth.clients import Client
from app.auth.rate_limits import Limit, RateLimitedError, limits_of_client

ATTEMPTS: Final = 20
INTERVAL: Final = timedelta(seconds=30)
MAX_REMEMBERED: Final = 10_000  # networks, and keys

clock = time.monotonic
_resets_at: Final[OrderedDict[str, float]] = OrderedDict()  # by network: when it has all its attempts back
_good: Final[OrderedDict[bytes, None]] = OrderedDict()  # hashes of keys that were right lately

Subject = TypeVar("Subject", bound=Hashable)
Value = TypeVar("Value")


def check(client: Client, secret_hash: bytes) -> None:
    """Raises RateLimitedError for a network that has sent too many wrong keys, unless this one was right lately."""
    if not _resets_at or secret_hash in _good:
        return
    # The time until one attempt is back.
    wait = max(_resets_in(limit) - limit.interval.total_seconds() * (limit.attempts - 1) for limit in _limits(client))
    if wait > 0:
        raise RateLimitedError(math.ceil(wait))


def count(client: Client, secret_hash: bytes) -> None:
    """A key was wrong."""
    _good.pop(secret_hash, None)
    for limit in _limits(client):
        _remember(_resets_at, limit.subject, clock() + _resets_in(limit) + limit.interval.total_seconds())


def remember(secret_hash: bytes) -> None:
    """A key was right."""
    _remember(_good, secret_hash, None)


def reset() -> None:
    _resets_at.clear()
    _good.clear()


def _limits(client: Client) -> list[Limit]:
    return limits_of_client("wrong API key", client, ATTEMPTS, INTERVAL)


def _resets_in(limit: Limit) -> float:
    return max(0.0, _resets_at.get(limit.subject, 0.0) - clock())


def _remember(memory: OrderedDict[Subject, Value], subject: Subject, value: Value) -> None:
    memory[subject] = value
    memory.move_to_end(subject)
    if len(memory) > MAX_REMEMBERED:
        memory.popitem(last=False)
