"""Recent logins: a session whose user has just logged in or re-authenticated (RFC 9470).

A session is recent for ten minutes. A feature that adds a second factor to an account makes its sessions not recent, so
the user of a recent session has shown the account's second factor, too.
"""

import uuid
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from sqlalchemy import func, select, update

from app.auth.accounts import Account, is_unchanged
from app.auth.caller import Caller
from app.core.database import Database
from app.models import LoginSession, User


class SecondFactor(NamedTuple):
    """A feature's second factor: whether an account has it, and what to tell somebody who sends only a password."""

    is_set_up: Callable[[Database, uuid.UUID], Awaitable[bool]]
    refusal: str


second_factors: Final[list[SecondFactor]] = []  # features add theirs

# Raises where a session, although recent, isn't enough for a feature.
RecentLoginRule = Callable[[Database, Caller], Awaitable[None]]

recent_login_rules: Final[list[RecentLoginRule]] = []  # features add theirs


async def missing_factor(database: Database, user_id: uuid.UUID) -> SecondFactor | None:
    """A second factor of the account, without which a password is not enough; None if it has none."""
    for factor in second_factors:
        if await factor.is_set_up(database, user_id):
            return factor
    return None


async def make_recent(database: Database, caller: Caller, account: Account) -> bool:
    """Make the caller's session recent; False if it is over, or the account has changed since it was looked up."""
    # The lock waits for a concurrent change of the user.
    unchanged = select(User.id).where(is_unchanged(account)).with_for_update(read=True).scalar_subquery()
    session = update(LoginSession).where(LoginSession.id == caller.session_id, LoginSession.user_id == unchanged)
    return await database.execute(session.values(authenticated_at=func.now())) == 1
