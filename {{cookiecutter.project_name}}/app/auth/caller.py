"""Who sends a request: one query for the user and the login session behind an access token."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final, NamedTuple, NoReturn

from sqlalchemy import bindparam, func, select

from app.auth.clients import Client
from app.auth.scopes import RESERVED, scope_givers
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
    is_program: bool = False  # nobody is there to log in or to re-authenticate
    granted: frozenset[str] | None = None  # the scopes of the token, of a program only its owner's; None: all

    def __init__(self, **columns: Any) -> None:
        vars(self).update(columns)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"The caller's {name} can't be set: load the User through a session, and commit.")


class Bearer(NamedTuple):
    """A feature's kind of bearer token: how to tell it by its looks, without a query, and how to find its caller.

    Each gets the client; `find_caller` may raise RateLimitedError. `end` is for revocation (RFC 7009).
    """

    is_mine: Callable[[str], bool]
    find_caller: Callable[[Database, str, Client], Awaitable[Caller | None]]
    end: Callable[[Database, str, Client], Awaitable[None]]


bearers: Final[list[Bearer]] = []  # features add theirs


def bearer_of(token: str) -> Bearer | None:
    """The feature whose token this is; None: a login session's, or nobody's."""
    return next((bearer for bearer in bearers if bearer.is_mine(token)), None)


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
    caller = Caller(**row, granted=claims.scopes)
    if caller.is_superuser and not all(rule.is_met(caller) for rule in superuser_rules):
        return Caller(**vars(caller) | {"is_superuser": False})
    return caller


async def has_scopes(database: Database, caller: Caller, scopes: list[str]) -> bool:
    """Whether the caller has all of these scopes. One query at most, for reserved scopes of who is no superuser."""
    if caller.granted is not None and not caller.granted.issuperset(scopes):
        return False
    if caller.is_superuser or caller.is_program:
        return True
    reserved = RESERVED.intersection(scopes)
    for give in scope_givers if reserved else ():
        reserved -= await give(database, caller.id)
    return not reserved
