"""Who sends a request: one query for the user and the login session behind an access token."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, NamedTuple, NoReturn

from sqlalchemy import bindparam, func, select

from app.core.database import Database
from app.core.prepared import Prepared
from app.core.security import read_access_token
from app.models import LoginSession, User

RECENT: Final = timedelta(minutes=10)  # how long a login, or a re-authentication, counts as recent


class SuperuserRule(NamedTuple):
    """Which sessions give a superuser's rights, and what to tell a superuser in any other."""

    is_met: Callable[["Caller"], bool]
    refusal: Callable[[], str | None]


superuser_rules: Final[list[SuperuserRule]] = []  # features add theirs


class Caller:
    """The user behind a request, with every column of `users`, and the login session that the request came with.

    It can't be changed: to change the user, load it through a session.
    """

    id: uuid.UUID
    email: str
    is_superuser: bool  # False, too, in a session that doesn't give a superuser's rights
    session_id: uuid.UUID
    login_method: str
    is_recent: bool

    def __init__(self, **columns: Any) -> None:
        vars(self).update(columns)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"The caller's {name} can't be set: load the User through a session, and commit.")


# It checks, too, that the session isn't over.
_CALLER: Final = Prepared(
    select(
        User.__table__,
        LoginSession.id.label("session_id"),
        LoginSession.login_method,
        func.coalesce(LoginSession.authenticated_at > func.now() - RECENT, False).label("is_recent"),
    )
    .join_from(User, LoginSession, LoginSession.user_id == User.id)
    .where(
        LoginSession.id == bindparam("session_id"),
        LoginSession.expires_at > func.now(),
        User.id == bindparam("user_id"),
        User.is_active,
    )
)


async def find_caller(database: Database, token: str) -> Caller | None:
    """The caller with this access token; None if it is invalid, its session over, or its user gone or inactive."""
    claims = read_access_token(token)
    if claims is None:
        return None
    row = await database.fetch_prepared(_CALLER, {"user_id": claims.user_id, "session_id": claims.session_id})
    if row is None:
        return None
    caller = Caller(**row)
    if caller.is_superuser and not all(rule.is_met(caller) for rule in superuser_rules):
        return Caller(**vars(caller) | {"is_superuser": False})
    return caller
