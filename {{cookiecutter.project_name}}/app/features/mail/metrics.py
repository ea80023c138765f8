"""Metrics of the outbox: what became of mails in this process, and how many wait in the database."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from prometheus_client import Counter, Gauge
from sqlalchemy import extract, func, select
from sqlalchemy.exc import SQLAlchemyError

from app.core.database import Database
from app.features.mail.models import OutgoingMail

INTERVAL: Final = 15.0  # seconds between two counts

# sent, failed (and to be sent again), dead (and not), dropped (nobody needed it any more, or its mailbox had enough)
MAILS = Counter("mails", "What became of attempts to send a mail", ["outcome"])
for outcome in ("sent", "failed", "dead", "dropped"):
    MAILS.labels(outcome)
WAITING = Gauge("mails_waiting", "Mails that are to be sent", multiprocess_mode="mostrecent")
DEAD = Gauge("mails_dead", "Mails that could not be sent, of the last 30 days", multiprocess_mode="mostrecent")
OLDEST = Gauge("mails_oldest_seconds", "How long the oldest of those that wait has", multiprocess_mode="mostrecent")

_WAITING: Final = OutgoingMail.due_at.is_not(None)
_COUNT: Final = select(
    func.count().filter(_WAITING),
    func.count().filter(OutgoingMail.due_at.is_(None)),
    func.coalesce(extract("epoch", func.now() - func.min(OutgoingMail.created_at).filter(_WAITING)), 0),
)


class _OutcomeCounter(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        outcome = str(record.__dict__.get("event", "")).removeprefix("mail_")
        if outcome:
            MAILS.labels(outcome).inc()


_sender_logger = logging.getLogger("app.mail")
_sender_logger.addHandler(_OutcomeCounter())
_sender_logger.setLevel(logging.INFO)  # whatever LOG_LEVEL says, or it would not count


@asynccontextmanager
async def counting(database: Database) -> AsyncIterator[None]:
    """Count what waits, every so often."""

    async def keep_counting() -> None:
        while True:
            with suppress(SQLAlchemyError, OSError, TimeoutError):
                await count(database)
            await asyncio.sleep(INTERVAL)

    task = asyncio.create_task(keep_counting())
    try:
        yield
    finally:
        task.cancel()


async def count(database: Database) -> None:
    ((waiting, dead, oldest),) = await database.fetch_all(_COUNT)
    WAITING.set(waiting)
    DEAD.set(dead)
    OLDEST.set(float(oldest))
