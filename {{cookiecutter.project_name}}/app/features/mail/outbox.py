"""The outbox: emails wait in a table, which they enter in the transaction that causes them.

The table says why an email is to be sent, not what it says: its token is made when it is sent, so that nothing in the
database can be used as one. A sender takes an email for LEASE; if it is killed, another process finds the email then.

The well-kept queues on PostgreSQL are more than this file. procrastinate 3 brings a second driver, psycopg, with a pool
of its own, and 600 lines of schema with migrations of their own. PgQueuer 1 runs on asyncpg, but brings tables and
triggers that Alembic doesn't know, and a connection that listens, which PgBouncer in transaction mode can't give.
"""

import random
import unicodedata
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

# Who asks for an email to somebody else's address, between two to an own one, could see by the gap between the two
# whether the address has an account. So these leave at a random moment, each alone: not before every sender has seen
# them, as several that are found together would leave together.
EARLIEST: Final = 1.5  # seconds; longer than a sender sleeps
LATEST: Final = 5.5


def post(session: AsyncSession, kind: str, address: str, user_id: uuid.UUID | None = None, **data: Any) -> uuid.UUID:
    """Add an email to the transaction of this session, and return its id; nothing happens without MAIL_URL.

    Without `user_id` it goes to whoever has an account with this address when it leaves, if anybody has.
    """
    mail = OutgoingMail(kind, address, user_id, {name: one_line(str(value)) for name, value in data.items()})
    if user_id is None:
        mail.due_at = func.now() + timedelta(seconds=random.uniform(EARLIEST, LATEST))  # noqa: S311
    if mail_settings.mail_url is not None:
        session.add(mail)
    return mail.id


def one_line(text: str) -> str:
    """The text without line breaks and other control characters, which neither a database nor a header can hold."""
    return " ".join("".join(" " if unicodedata.category(sign) in {"Cc", "Cs"} else sign for sign in text).split())


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
# Whether an email is still to be sent, by the state of the account now.
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
_NEXT: Final = select(extract("epoch", func.min(OutgoingMail.due_at) - func.now()).label("seconds"))


async def seconds_to_next(database: Database) -> float | None:
    """How long until the next email is due, less than nothing if one is; None if there is none."""
    row = await database.fetch_one(_NEXT)
    return None if row is None or row.seconds is None else float(row.seconds)


DISCARDED_AT_ONCE: Final = 10_000


def _any(ids: Select[uuid.UUID]) -> CollectionAggregate[bool]:
    # Without statistics, PostgreSQL may run what stands in IN again for each row; an array it makes once.
    return any_(func.array(ids.scalar_subquery()))


# More emails that say the same to one address than may leave at once.
_turn = func.row_number().over(
    partition_by=(OutgoingMail.kind, OutgoingMail.data, func.lower(OutgoingMail.address)), order_by=OutgoingMail.due_at
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


async def discard_unwanted(database: Database) -> int:
    """Delete all that are due and not wanted, in one statement, so that they delay no other; returns how many."""
    return await database.execute(_DISCARD)


LEASE: Final = timedelta(minutes=2)  # more than twice what a sender gives one email
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


class Mail(NamedTuple):
    """An email that this process is to send."""

    id: uuid.UUID
    kind: str
    address: str
    user_id: uuid.UUID | None
    data: dict[str, Any]
    attempts: int  # this one among them
    created_at: datetime
    failure: str | None


async def claim(database: Database) -> Mail | None:
    """The email that has been due longest, for this process alone until LEASE is over."""
    row = await database.fetch_one(_CLAIM)
    return Mail(**row._mapping) if row else None


_REMOVE: Final = delete(OutgoingMail).where(OutgoingMail.id == bindparam("mail"))


async def remove(database: Database, mail: Mail) -> None:
    """Delete an email that is sent, or that nobody needs any more."""
    await database.execute(_REMOVE, {"mail": mail.id})


FIRST_DELAY: Final = timedelta(seconds=10)
LONGEST_DELAY: Final = timedelta(hours=1)
_FAIL: Final = (
    update(OutgoingMail)
    # Not if the lease has run out, and somebody else has it now.
    .where(OutgoingMail.id == bindparam("mail"), OutgoingMail.attempts == bindparam("attempt"))
    .values(due_at=func.now() + bindparam("delay", type_=Interval()), failure=bindparam("reason", type_=String()))
)


async def postpone(database: Database, mail: Mail, reason: str) -> None:
    """Let an email be sent again after a while, which doubles each time.

    The while is random, so that a server that was down doesn't get all emails at once.
    """
    delay = min(FIRST_DELAY * 2 ** min(mail.attempts - 1, 20), LONGEST_DELAY) * random.uniform(0.5, 1.5)  # noqa: S311
    await database.execute(_FAIL, {"mail": mail.id, "attempt": mail.attempts, "delay": delay, "reason": reason})


KEPT: Final = timedelta(days=30)  # how long a dead email can be looked at
_old_dead = delete(OutgoingMail).where(OutgoingMail.due_at.is_(None), OutgoingMail.created_at < func.now() - KEPT)
_BURY: Final = (
    update(OutgoingMail)
    .where(OutgoingMail.id == bindparam("mail"))
    .values(due_at=None, failure=bindparam("reason", type_=String()))
    .add_cte(_old_dead.cte("old_dead"))
)


async def bury(database: Database, mail: Mail, reason: str) -> None:
    """Give up an email. It stays for KEPT, for somebody to look at."""
    await database.execute(_BURY, {"mail": mail.id, "reason": reason})
