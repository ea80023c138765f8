"""Metrics of the outbox: what became of emails in this process, and how many wait in the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from prometheus_client import Counter, Gauge
from sqlalchemy import extract, func, select
from sqlalchemy.exc import SQLAlchemyError

from app.core.database import Database
from app.features.mail.models import OutgoingMail
from app.features.mail.sender import outcome_observers

# sent, failed (and to be sent again), dead (and not), dropped (nobody needed it any more, or its mailbox had enough)
MAILS = Counter("mails", "What became of attempts to send an email", ["outcome"])
for outcome in ("sent", "failed", "dead", "dropped"):
    MAILS.labels(outcome)
WAITING = Gauge("mails_waiting", "Emails that are to be sent", multiprocess_mode="mostrecent")
DEAD = Gauge("mails_dead", "Emails of the last 30 days that could not be sent", multiprocess_mode="mostrecent")
OLDEST = Gauge(
    "mails_oldest_seconds", "How long the oldest email to be sent has waited", multiprocess_mode="mostrecent"
)

INTERVAL: Final = 15.0  # seconds between two counts of the outbox


def count_outcome(outcome: str, count: int) -> None:
    MAILS.labels(outcome).inc(count)


@asynccontextmanager
async def counting(database: Database) -> AsyncIterator[None]:
    """Count outcomes, and every INTERVAL what waits."""

    async def keep_counting() -> None:
        while True:
            with suppress(SQLAlchemyError, OSError, TimeoutError):
                await count_outbox(database)
            await asyncio.sleep(INTERVAL)

    outcome_observers.append(count_outcome)
    task = asyncio.create_task(keep_counting())
    try:
        yield
    finally:
        task.cancel()
        outcome_observers.remove(count_outcome)


_WAITS: Final = OutgoingMail.due_at.is_not(None)
_COUNT: Final = select(
    func.count().filter(_WAITS).label("waiting"),
    func.count().filter(OutgoingMail.due_at.is_(None)).label("dead"),
    func.coalesce(extract("epoch", func.now() - func.min(OutgoingMail.created_at).filter(_WAITS)), 0).label("oldest"),
)


async def count_outbox(database: Database) -> None:
    (row,) = await database.fetch_all(_COUNT)
    WAITING.set(row.waiting)
    DEAD.set(row.dead)
    OLDEST.set(float(row.oldest))
