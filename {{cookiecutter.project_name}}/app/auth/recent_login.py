"""Recent logins: a session whose user has just proved to be there (RFC 9470).

A session is recent for ten minutes after its login or a re-authentication. Whatever feature adds a second factor to an
account ends that for all of the account's sessions, so a recent session is one that was proved as its account wants.
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


second_factors: Final[list[SecondFactor]] = []  # those of the features
# Raises where a session, although recent, isn't enough for a feature.
RecentLoginRule = Callable[[Database, Caller], Awaitable[None]]

recent_login_rules: Final[list[RecentLoginRule]] = []  # those of the features


async def missing_factor(database: Database, user_id: uuid.UUID) -> SecondFactor | None:
    """The second factor that a password doesn't make up for; None if the account has none."""
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
