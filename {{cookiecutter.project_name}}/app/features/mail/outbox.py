"""The outbox: mails wait in a table, which they enter in the transaction that causes them.

What is stored is why a mail is to be sent, not what it says: its token is made when it is sent, so that nothing in the
database can be used as one. A sender takes a mail for LEASE; if it is killed, another process finds the mail then.

The well-kept queues on PostgreSQL are more than this file. procrastinate 3 brings a second driver, psycopg, with a pool
of its own, and 600 lines of schema with migrations of their own. PgQueuer 1 runs on asyncpg, but brings tables and
triggers that Alembic doesn't know, and a connection that listens, which PgBouncer in transaction mode can't give.
"""

import random
import uuid
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import Interval, String, bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Database
from app.features.mail.models import OutgoingMail
from app.features.mail.settings import mail_settings

LEASE: Final = timedelta(minutes=2)  # more than twice what a sender gives one mail
FIRST_DELAY: Final = timedelta(seconds=10)
LONGEST_DELAY: Final = timedelta(hours=1)
KEPT: Final = timedelta(days=30)  # how long a dead mail can be looked at

_due = (
    select(OutgoingMail.id)
    .where(OutgoingMail.due_at <= func.now())
    .order_by(OutgoingMail.due_at)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_CLAIM: Final = (
    update(OutgoingMail)
    .where(OutgoingMail.id == _due.scalar_subquery())
    .values(due_at=func.now() + LEASE, attempts=OutgoingMail.attempts + 1)
    .returning(
        OutgoingMail.id,
        OutgoingMail.kind,
        OutgoingMail.address,
        OutgoingMail.user_id,
        OutgoingMail.attempts,
        OutgoingMail.created_at,
        OutgoingMail.failure,
    )
)
_REMOVE: Final = delete(OutgoingMail).where(OutgoingMail.id == bindparam("mail"))
_FAIL: Final = (
    update(OutgoingMail)
    # Not if the lease has run out, and somebody else has it now.
    .where(OutgoingMail.id == bindparam("mail"), OutgoingMail.attempts == bindparam("attempt"))
    .values(due_at=func.now() + bindparam("delay", type_=Interval()), failure=bindparam("reason", type_=String()))
)
_old_dead = delete(OutgoingMail).where(OutgoingMail.due_at.is_(None), OutgoingMail.created_at < func.now() - KEPT)
_BURY: Final = (
    update(OutgoingMail)
    .where(OutgoingMail.id == bindparam("mail"))
    .values(due_at=None, failure=bindparam("reason", type_=String()))
    .add_cte(_old_dead.cte("old_dead"))
)


class Mail(NamedTuple):
    """A mail that this process is to send."""

    id: uuid.UUID
    kind: str
    address: str
    user_id: uuid.UUID | None
    attempts: int  # this one among them
    created_at: datetime
    failure: str | None


def post(session: AsyncSession, kind: str, address: str, user_id: uuid.UUID | None = None) -> None:
    """Add a mail to the transaction of this session; nothing happens without MAIL_URL."""
    if mail_settings.mail_url is not None:
        session.add(OutgoingMail(kind, address, user_id))


async def claim(database: Database) -> Mail | None:
    """The mail that has been due longest, for this process alone until LEASE is over."""
    row = await database.fetch_one(_CLAIM)
    return Mail(*row) if row else None


async def remove(database: Database, mail: Mail) -> None:
    """It is sent, or nobody needs it any more."""
    await database.execute(_REMOVE, {"mail": mail.id})


async def postpone(database: Database, mail: Mail, reason: str) -> None:
    """Let it be sent again after a while, which doubles each time; not all at once, so that a server can recover."""
    delay = min(FIRST_DELAY * 2 ** min(mail.attempts - 1, 20), LONGEST_DELAY) * random.uniform(0.5, 1.5)  # noqa: S311
    await database.execute(_FAIL, {"mail": mail.id, "attempt": mail.attempts, "delay": delay, "reason": reason})


async def bury(database: Database, mail: Mail, reason: str) -> None:
    """It can't be sent. It stays for KEPT, for somebody to look at."""
    await database.execute(_BURY, {"mail": mail.id, "reason": reason})
