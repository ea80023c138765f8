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
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Interval,
    Select,
    String,
    and_,
    any_,
    bindparam,
    case,
    delete,
    extract,
    func,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlalchemy.sql.expression import CollectionAggregate

from app.core.database import Database
from app.features.mail.models import EmailChange, OutgoingMail
from app.features.mail.settings import mail_settings
from app.features.mail.tokens import AT_ONCE
from app.models import User

LEASE: Final = timedelta(minutes=2)  # more than twice what a sender gives one mail
FIRST_DELAY: Final = timedelta(seconds=10)
LONGEST_DELAY: Final = timedelta(hours=1)
KEPT: Final = timedelta(days=30)  # how long a dead mail can be looked at

# Who asks for an email to somebody else's address, between two to an own one, could see by the gap between the two
# whether the address has an account. So these leave at a random moment, each alone: not before every sender has seen
# them, as several that are found together would leave together.
EARLIEST: Final = 1.5  # seconds; longer than a sender sleeps
LATEST: Final = 5.5
DISCARDED_AT_ONCE: Final = 10_000

_owner = aliased(User)


def _has_owner(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(_owner.id).where(_owner.is_active, *conditions).exists()


_HAS_ADDRESS: Final = func.lower(_owner.email) == func.lower(OutgoingMail.address)
_IS_PENDING: Final = (
    select(EmailChange.user_id)
    .where(EmailChange.user_id == _owner.id, EmailChange.email == OutgoingMail.address)
    .exists()
)
_HAS_ID: Final = _owner.id == OutgoingMail.user_id
_IS_NEWER: Final = _owner.password_changed_at <= OutgoingMail.created_at  # a new password ends what was asked before
# Whether an email is still to be sent, by the state of the account.
WANTED: Final = case(
    (OutgoingMail.kind == "recovery", _has_owner(_HAS_ADDRESS, _IS_NEWER)),
    (OutgoingMail.user_id.is_(None), _has_owner(_HAS_ADDRESS)),
    (
        OutgoingMail.kind == "verification",
        _has_owner(_HAS_ID, _IS_NEWER, _owner.email_verified_at.is_(None), _owner.email == OutgoingMail.address),
    ),
    (
        OutgoingMail.kind == "email_change",
        and_(_has_owner(_HAS_ID, _IS_NEWER, _IS_PENDING), ~_has_owner(_HAS_ADDRESS)),
    ),
    else_=true(),
)

_IS_DUE: Final = OutgoingMail.due_at <= func.now()
_due = (
    select(OutgoingMail.id)
    .where(_IS_DUE, WANTED)
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
        OutgoingMail.data,
        OutgoingMail.attempts,
        OutgoingMail.created_at,
        OutgoingMail.failure,
    )
)


def _any(ids: Select[uuid.UUID]) -> CollectionAggregate[bool]:
    # Without statistics, PostgreSQL may run what stands in IN again for each row; an array it makes once.
    return any_(func.array(ids.scalar_subquery()))


# More of a kind to one address than may leave at once.
_turn = func.row_number().over(
    partition_by=(OutgoingMail.kind, func.lower(OutgoingMail.address)), order_by=OutgoingMail.due_at
)
_new = (
    select(OutgoingMail.id, _turn.label("turn"))
    .where(_IS_DUE, OutgoingMail.user_id.is_(None), OutgoingMail.attempts == 0)
    .subquery()
)
_TOO_MANY: Final = select(_new.c.id).where(_new.c.turn > AT_ONCE)
_unwanted = (
    select(OutgoingMail.id)
    .where(_IS_DUE, or_(~WANTED, OutgoingMail.id == _any(_TOO_MANY)))
    .limit(DISCARDED_AT_ONCE)
    .with_for_update(skip_locked=True)
)
_DISCARD: Final = delete(OutgoingMail).where(OutgoingMail.id == _any(_unwanted))
_NEXT: Final = select(extract("epoch", func.min(OutgoingMail.due_at) - func.now()))
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
    data: dict[str, Any]
    attempts: int  # this one among them
    created_at: datetime
    failure: str | None


def post(session: AsyncSession, kind: str, address: str, user_id: uuid.UUID | None = None, **data: Any) -> uuid.UUID:
    """Add a mail to the transaction of this session, and return its id; nothing happens without MAIL_URL.

    Without `user_id` it goes to whoever has an account with this address when it leaves, if anybody has.
    """
    mail = OutgoingMail(kind, address, user_id, data)
    if user_id is None:
        mail.due_at = func.now() + timedelta(seconds=random.uniform(EARLIEST, LATEST))  # noqa: S311
    if mail_settings.mail_url is not None:
        session.add(mail)
    return mail.id


async def seconds_to_next(database: Database) -> float | None:
    """How long until the next mail is due, less than nothing if one is; None if there is none."""
    ((seconds,),) = await database.fetch_all(_NEXT)
    return None if seconds is None else float(seconds)


async def discard_unwanted(database: Database) -> int:
    """Delete all that are due and not wanted, in one statement: they take no time from the others, and show by none."""
    return await database.execute(_DISCARD)


async def claim(database: Database) -> Mail | None:
    """The mail that has been due longest, for this process alone until LEASE is over."""
    row = await database.fetch_one(_CLAIM)
    return Mail(**row._mapping) if row else None


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
