"""Throttles: how often something may be tried, counted in PostgreSQL and so for all processes and hosts together.

A budget holds `burst` tries, which come back one by one (the generic cell rate algorithm, ITU-T I.371). All there is
to store is when it will be full again: one row, one atomic statement, an exact Retry-After; and an old row means the
same as none.

It uses the database that is there anyway: the well-kept libraries for this want a Redis or a memcached beside it.
"""

import hmac
import math
from datetime import timedelta
from hashlib import sha256
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple

from sqlalchemy import Interval, bindparam, delete, extract, func, select
from sqlalchemy.dialects.postgresql import insert

from app.auth.expired import delete_expired
from app.core.config import settings
from app.core.database import Database
from app.core.security import derive_key
from app.models import Throttle


class Budget(NamedTuple):
    """The tries that a subject (an account, an address, or one from the other) has for one purpose."""

    purpose: str
    subject: str
    burst: int
    refill: timedelta  # how long it takes for one try to come back

    @property
    def key(self) -> bytes:
        key = derive_key(settings.secret_keys[0], "throttles")  # a new SECRET_KEY refills all budgets
        # Sealed, so that the table tells nobody who tried what: people type passwords into the e-mail field.
        return hmac.digest(key, f"{self.purpose}\0{self.subject}".encode(), sha256)

    @property
    def all_but_one(self) -> timedelta:
        return self.refill * (self.burst - 1)

    def retry_after(self, seconds_spent: float) -> int:
        """How many whole seconds until a try is left; 0 when there is one now."""
        return max(0, math.ceil(seconds_spent - self.all_but_one.total_seconds()))


_SECONDS_SPENT: Final = select(Throttle.key, extract("epoch", Throttle.spent_until - func.now())).where(
    Throttle.key.in_(bindparam("keys", expanding=True))
)
_REFILL: Final = bindparam("refill", type_=Interval())
_ALL_BUT_ONE: Final = bindparam("all_but_one", type_=Interval())
_SPEND: Final = (
    insert(Throttle)
    .values(key=bindparam("key"), spent_until=func.now() + _REFILL)
    .on_conflict_do_update(
        index_elements=[Throttle.key],
        set_={"spent_until": func.greatest(Throttle.spent_until, func.now()) + _REFILL},
        where=Throttle.spent_until <= func.now() + _ALL_BUT_ONE,
    )
)
_RESTORE: Final = delete(Throttle).where(Throttle.key.in_(bindparam("keys", expanding=True)))
_DELETE_EXPIRED: Final = delete_expired(Throttle.key, Throttle.spent_until)


async def seconds_spent(database: Database, *budgets: Budget) -> dict[Budget, float]:
    """How many seconds each budget needs until it is full again; 0 for one that is."""
    by_key = {budget.key: budget for budget in budgets}
    rows = await database.fetch_all(_SECONDS_SPENT, {"keys": list(by_key)})
    return dict.fromkeys(budgets, 0.0) | {by_key[key]: max(0.0, float(seconds)) for key, seconds in rows}


async def spend(database: Database, budget: Budget) -> bool:
    """Take one try in one atomic statement; False, and nothing taken, when there is none left."""
    attempt = {"key": budget.key, "refill": budget.refill, "all_but_one": budget.all_but_one}
    taken = await database.execute(_SPEND, attempt)
    await database.execute(_DELETE_EXPIRED)
    return bool(taken)


async def restore(database: Database, *budgets: Budget) -> None:
    """Give all tries back."""
    await database.execute(_RESTORE, {"keys": [budget.key for budget in budgets]})


def network_of(address: str) -> str:
    """The part of a client's address that its owner can't change at will: an IPv6 subscriber has 2^64 of them."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or IPv6Network((parsed, 64), strict=False))
    return address
