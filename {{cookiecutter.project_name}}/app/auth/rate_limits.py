"""Rate limits: how often something may be attempted, counted in PostgreSQL, across all processes and hosts.

A limit allows `attempts` at once, which come back one by one (the generic cell rate algorithm, ITU-T I.371). It only
stores when all of them will be back: one row, which gives an exact Retry-After. An expired row means the same as none.

The maintained libraries for this need Redis or memcached; this needs only the database.
"""

import hmac
import math
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Final, NamedTuple

from sqlalchemy import (
    ARRAY,
    Interval,
    LargeBinary,
    bindparam,
    column,
    delete,
    exists,
    extract,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from app.auth.clients import Client
from app.auth.expired import expired_rows
from app.core.config import settings
from app.core.database import Database
from app.core.security import derive_key
from app.models import RateLimit


class RateLimitedError(Exception):
    """Too many attempts; `retry_after` is in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after


class Limit(NamedTuple):
    """How often a subject (an account, a network, or an account from a network) may attempt one thing."""

    purpose: str
    subject: str
    attempts: int
    interval: timedelta  # the time until one attempt comes back

    @property
    def key(self) -> bytes:
        key = derive_key(settings.secret_keys[0], "rate limits")  # a new SECRET_KEY resets all limits
        # A keyed hash, so that the table tells nobody who attempted what: people type passwords into the email field.
        return hmac.digest(key, f"{self.purpose}\0{self.subject}".encode(), sha256)


def limits_of_client(purpose: str, client: Client, attempts: int, interval: timedelta) -> list[Limit]:
    """The limit for a client's network and, for IPv6, one with four times as many attempts for its whole /48."""
    limits = [Limit(purpose, client.network, attempts, interval)]
    if client.wider_network != client.network:
        limits.append(Limit(purpose, client.wider_network, 4 * attempts, interval / 4))
    return limits


_LIMITS: Final = (
    func.unnest(
        bindparam("keys", type_=ARRAY(LargeBinary)),
        bindparam("intervals", type_=ARRAY(Interval)),
        bindparam("most", type_=ARRAY(Interval)),
    )
    .table_valued(column("key", LargeBinary), column("interval", Interval), column("most", Interval), name="limits")
    .render_derived()
)
_ASKED: Final = (
    select(_LIMITS.c.key, _LIMITS.c.interval, _LIMITS.c.most, RateLimit.resets_at)
    .outerjoin_from(_LIMITS, RateLimit, RateLimit.key == _LIMITS.c.key)
    .cte("asked")
)
_RESETS_IN: Final = _ASKED.c.resets_at - func.now()
_RETRY_AFTER: Final = select(func.max(extract("epoch", _RESETS_IN - _ASKED.c.most)))

# All or none: an attempt that one limit refuses takes nothing from the others.
_NEW: Final = insert(RateLimit).from_select(
    [RateLimit.key, RateLimit.resets_at],
    select(_ASKED.c.key, func.now() + _ASKED.c.interval)
    .where(~exists().where(_ASKED.c.most < _RESETS_IN))
    .order_by(_ASKED.c.key),  # all transactions lock rows in this order, so they can't deadlock
)
_MOST: Final = select(_ASKED.c.most).where(_ASKED.c.key == literal_column("excluded.key")).scalar_subquery()
_HIT: Final = (
    _NEW.on_conflict_do_update(
        index_elements=[RateLimit.key],
        set_={"resets_at": func.greatest(RateLimit.resets_at, func.now()) + (_NEW.excluded.resets_at - func.now())},
        where=RateLimit.resets_at <= func.now() + _MOST,  # checked again, on the row as parallel attempts left it
    )
    .returning(RateLimit.key)
    .add_cte(expired_rows(RateLimit.resets_at))
)


async def hit(database: Database, limits: Sequence[Limit]) -> None:
    """Take one attempt from each of these limits, in one atomic statement.

    Raises RateLimitedError if one has none left. Then nothing is taken from the others, unless parallel attempts took
    the last ones at the same moment.
    """
    asked = {
        "keys": [limit.key for limit in limits],
        "intervals": [limit.interval for limit in limits],
        "most": [limit.interval * (limit.attempts - 1) for limit in limits],
    }
    taken = await database.fetch_all(_HIT, asked)
    if len(taken) < len(limits):
        ((seconds,),) = await database.fetch_all(_RETRY_AFTER, asked)
        raise RateLimitedError(max(1, math.ceil(seconds or 0)))


async def return_attempt(database: Database, limit: Limit) -> None:
    """Give back the attempt that a hit took."""
    earlier = RateLimit.resets_at - limit.interval
    await database.execute(update(RateLimit).where(RateLimit.key == limit.key).values(resets_at=earlier))


async def reset(database: Database, limit: Limit) -> None:
    """Give all its attempts back."""
    await database.execute(delete(RateLimit).where(RateLimit.key == limit.key))
