"""Login sessions: a login begins one, refresh tokens continue it, deleting its row ends it."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import DateTime, Interval, LargeBinary, String, Uuid, bindparam, delete, func, insert, select, update

from app.auth.accounts import Account
from app.auth.audit import audit
from app.auth.claims import CLAIMS_COLUMN
from app.auth.clients import Client
from app.auth.expired import expired_rows
from app.auth.notices import notify
from app.core.config import settings
from app.core.database import Database
from app.core.prepared import Prepared
from app.core.security import (
    AccessClaims,
    RefreshClaims,
    create_access_token,
    create_refresh_token,
    read_access_token,
    read_refresh_token,
)
from app.models import LoginSession, User

# Only the newest are kept, so that a script that logs in again and again doesn't pile up rows.
MAX_SESSIONS: Final = 100


class Tokens(NamedTuple):
    """The tokens that a client gets; times in Unix seconds."""

    access_token: str
    issued_at: int
    expires_at: int
    refresh_token: str
    refresh_token_issued_at: int
    refresh_token_expires_at: int

    @property
    def expires_in(self) -> int:
        return self.expires_at - self.issued_at


# Statements are built once, above the function that runs them: building one takes longer than running it.
_NEW_SESSION: Final = {
    LoginSession.id: bindparam("session_id", type_=Uuid()),
    LoginSession.user_id: User.id,
    LoginSession.expires_at: bindparam("session_end", type_=DateTime(timezone=True)),
    LoginSession.user_agent: bindparam("user_agent", type_=String()),
    LoginSession.client: bindparam("client", type_=LargeBinary()),
    LoginSession.login_method: bindparam("login_method", type_=String()),
}
# An unused session of the same client goes first, if there is one, rather than one that somebody uses.
_IS_UNUSED: Final = (
    (LoginSession.generation == 0)
    & (LoginSession.client == _NEW_SESSION[LoginSession.client])
    & LoginSession.user_agent.is_not_distinct_from(_NEW_SESSION[LoginSession.user_agent])
)
_SURPLUS: Final = (
    select(LoginSession.id)
    .where(LoginSession.user_id == bindparam("account"))
    .order_by(func.coalesce(_IS_UNUSED, False), LoginSession.last_used_at.desc())
    .offset(MAX_SESSIONS - 1)
)
_UNLOCKED_SURPLUS: Final = (
    select(LoginSession.id).where(LoginSession.id.in_(_SURPLUS)).with_for_update(skip_locked=True)
)
_BEGIN: Final = (
    insert(LoginSession)
    .from_select(
        list(_NEW_SESSION),
        select(*_NEW_SESSION.values())
        .where(
            User.id == bindparam("account"),
            User.is_active,
            User.password_changed_at == bindparam("password_changed_at"),
            User.factors_changed_at.is_not_distinct_from(
                bindparam("factors_changed_at", type_=DateTime(timezone=True))
            ),
        )
        .with_for_update(read=True),  # waits for a concurrent change of the user
        include_defaults=False,  # the database has them
    )
    .add_cte(delete(LoginSession).where(LoginSession.id.in_(_UNLOCKED_SURPLUS)).cte("surplus"))
    .add_cte(expired_rows(LoginSession.expires_at))
)


async def begin_session(database: Database, account: Account, client: Client, method: str) -> Tokens | None:
    """Begin a session for a user who has shown that the account is theirs.

    None if the account was closed, its password changed, or a factor came or went, since the account was looked up.
    """
    now, session_id = int(time.time()), uuid.uuid4()
    begun_at = datetime.fromtimestamp(now, UTC)
    session_end = min(_session_end(now), begun_at + _max_age())
    new_session = {
        "session_id": session_id,
        "session_end": session_end,
        "user_agent": client.user_agent,
        "client": client.hash,
        "login_method": method,
        "account": account.id,
        "password_changed_at": account.password_changed_at,
        "factors_changed_at": account.factors_changed_at,
    }
    if not await database.execute(_BEGIN, new_session):
        return None
    return _issue_tokens(session_id, 0, now, _Session(account.id, begun_at, session_end, account.claims))


_LAST_END: Final = LoginSession.created_at + bindparam("max_age", type_=Interval())
_IS_REFRESHABLE: Final = (
    LoginSession.id == bindparam("session_id"),
    LoginSession.expires_at > func.now(),
    func.now() < _LAST_END,  # SESSION_MAX_DAYS may have been longer when expires_at was set
    LoginSession.user_id == User.id,
    User.is_active,
)
_COLUMNS: Final = (LoginSession.user_id, LoginSession.last_used_at, LoginSession.expires_at, CLAIMS_COLUMN)
_SPEND: Final = Prepared(
    update(LoginSession)
    .where(*_IS_REFRESHABLE, LoginSession.generation == bindparam("spent"))
    .values(
        generation=LoginSession.generation + 1,
        last_used_at=func.now(),
        expires_at=func.least(bindparam("session_end"), _LAST_END),
    )
    .returning(*_COLUMNS)
)
# A refresh sets last_used_at, so this is when the latest spent token was spent.
_UNSPENT_SUCCESSOR: Final = Prepared(
    select(*_COLUMNS).where(
        *_IS_REFRESHABLE,
        LoginSession.generation == bindparam("spent") + 1,
        LoginSession.last_used_at > func.now() - bindparam("leeway", type_=Interval()),
    )
)


async def spend_refresh_token(database: Database, token: str, client: Client) -> Tokens | None:
    """Exchange an unspent refresh token for new tokens; None if the token is not valid.

    Of any number of parallel uses one spends the token. Within REFRESH_TOKEN_LEEWAY seconds the others get the same
    successor, which is a function of the session and its generation: a lost response or a second tab logs nobody out.
    Any other spent token may have been stolen, so it ends its session (RFC 9700 section 4.14.2), at once and even if
    the request fails.
    """
    claims = read_refresh_token(token)
    if claims is None:
        return None
    now = int(time.time())
    spent = {"session_id": claims.session_id, "spent": claims.generation, "max_age": _max_age()}
    session = await database.fetch_prepared(_SPEND, spent | {"session_end": _session_end(now)})
    if session is None:
        leeway = timedelta(seconds=settings.refresh_token_leeway)
        session = await database.fetch_prepared(_UNSPENT_SUCCESSOR, spent | {"leeway": leeway})
    if session is None:
        await _end_if_spent(database, claims, client)
        return None
    return _issue_tokens(claims.session_id, claims.generation + 1, now, _Session(**session))


async def _end_if_spent(database: Database, claims: RefreshClaims, client: Client) -> None:
    async with database.session() as session:
        user_id = await session.scalar(
            delete(LoginSession)
            .where(LoginSession.id == claims.session_id, LoginSession.generation > claims.generation)
            .returning(LoginSession.user_id)
        )
        if user_id is None:
            return
        email = await session.scalar(select(User.email).where(User.id == user_id))
        notify(session, "refresh_token_replayed", str(email), user_id)
        await session.commit()
    audit("refresh_token_replayed", client, user_id, session_id=claims.session_id)


_END: Final = delete(LoginSession).where(LoginSession.id == bindparam("session_id")).returning(LoginSession.user_id)


async def end_session_of(database: Database, token: str, client: Client) -> None:
    """End the session of a genuine refresh token, spent or not; any other token changes nothing."""
    await _end_session(database, read_refresh_token(token), client)


async def revoke(database: Database, token: str, client: Client) -> None:
    """End the session of a genuine refresh or access token, even spent or expired; any other token changes nothing."""
    await _end_session(database, read_refresh_token(token) or read_access_token(token, expired=True), client)


async def _end_session(database: Database, claims: RefreshClaims | AccessClaims | None, client: Client) -> None:
    if claims and (ended := await database.fetch_one(_END, {"session_id": claims.session_id})):
        audit("session_revoked", client, ended.user_id, session_id=claims.session_id)


def _max_age() -> timedelta:
    return timedelta(days=settings.session_max_days)


def _session_end(now: int) -> datetime:
    return datetime.fromtimestamp(now + settings.refresh_token_expire_minutes * 60, UTC)


class _Session(NamedTuple):
    user_id: uuid.UUID
    last_used_at: datetime
    expires_at: datetime
    claims: dict[str, Any] | None


def _issue_tokens(session_id: uuid.UUID, generation: int, now: int, session: _Session) -> Tokens:
    ends_at = int(session.expires_at.timestamp())
    expires_at = min(now + settings.access_token_expire_minutes * 60, ends_at)
    return Tokens(
        access_token=create_access_token(session.user_id, session_id, now, expires_at, session.claims),
        issued_at=now,
        expires_at=expires_at,
        refresh_token=create_refresh_token(session_id, generation),
        refresh_token_issued_at=int(session.last_used_at.timestamp()),
        refresh_token_expires_at=ends_at,
    )
