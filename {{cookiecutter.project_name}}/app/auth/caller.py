"""Who sends a request: one query for the user and the login session behind an access token."""

import uuid
from typing import NamedTuple

from sqlalchemy import bindparam, func, select

from app.core.config import settings
from app.core.database import Database
from app.core.security import read_access_token
from app.models import LoginSession, User


class Caller(NamedTuple):
    """The user behind a request and the login session it came with."""

    id: uuid.UUID
    email: str
    is_superuser: bool  # where SUPERUSER_SECOND_FACTOR is required, only in a session that was begun with one
    session_id: uuid.UUID


# Built once, as building it takes longer than running it. The same query checks that the session is still alive.
_CALLER = (
    select(User.id, User.email, User.is_superuser, LoginSession.login_method)
    .join(LoginSession, LoginSession.user_id == User.id)
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
    row = await database.fetch_one(_CALLER, {"user_id": claims.user_id, "session_id": claims.session_id})
    if row is None:
        return None
    has_rights = settings.superuser_second_factor == "optional" or row.login_method != "password"
    return Caller(row.id, row.email, row.is_superuser and has_rights, claims.session_id)
