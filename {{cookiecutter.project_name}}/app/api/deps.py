"""The dependencies of routes: the caller, the database and the client."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Security
from fastapi.requests import HTTPConnection
from fastapi.security import OAuth2PasswordBearer, SecurityScopes
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.errors import insufficient_scope, not_recent, unauthorized
from app.auth.caller import RECENT, Caller, bearer_of, find_caller, has_scopes
from app.auth.clients import Client
from app.auth.recent_login import missing_factor, recent_login_rules
from app.core.database import Database, database
from app.models import USER_AGENT_MAX_LENGTH, LoginSession, User


async def get_database() -> Database:
    """Override this dependency to give every route another database."""
    return database


# For a single statement, which commits by itself.
Autocommit = Annotated[Database, Depends(get_database)]


async def get_session(database: Autocommit) -> AsyncIterator[AsyncSession]:
    async with database.session() as session:
        yield session


# For several statements, or objects that change. Commit in the route: once the response is sent, a failed commit can't
# be reported. scope="function" closes the session before that, so that a slow client holds no connection.
DbSession = Annotated[AsyncSession, Depends(get_session, scope="function")]

oauth2_scheme = OAuth2PasswordBearer("auth/access-token", auto_error=False)


async def get_current_user(
    connection: HTTPConnection,
    needed: SecurityScopes,
    token: Annotated[str | None, Depends(oauth2_scheme)],
    database: Autocommit,
) -> Caller:
    """Override this dependency to choose the caller."""
    if not token:
        raise unauthorized(token_was_sent=False)
    if bearer := bearer_of(token):
        caller = await bearer.find_caller(database, token, await get_client(connection))
    else:
        caller = await find_caller(database, token)
    if caller is None:
        raise unauthorized(token_was_sent=True)
    connection.state.user_id = caller.id  # for the request log
    if needed.scopes and not await has_scopes(database, caller, needed.scopes):
        raise insufficient_scope(caller, needed.scopes)
    return caller


CurrentUser = Annotated[Caller, Depends(get_current_user)]
# For routes about what is logged in to the account, and for routes that read all accounts.
AccountHolder = Annotated[Caller, Security(get_current_user, scopes=["account"])]
UsersReader = Annotated[Caller, Security(get_current_user, scopes=["users:read"])]


async def get_recent_user(user: CurrentUser, database: Autocommit) -> Caller:
    if not user.is_recent:
        raise not_recent()
    for rule in recent_login_rules:
        await rule(database, user)
    return user


# The caller, whose login or re-authentication is at most ten minutes old; for routes that change how to log in.
RecentLogin = Annotated[Caller, Depends(get_recent_user)]


async def lock_recent_owner(session: AsyncSession, user: Caller) -> None:
    """Lock the caller's row, before all others, until the transaction ends; and check again what may have changed.

    So a request that ends all sessions, by a new password for example, has the last word; and deletions can't deadlock.
    Raises the 401 if the session is over, or not recent any more.
    """
    await session.execute(select(User.id).where(User.id == user.id).with_for_update(key_share=True))
    # A second statement: the first one sees the session as it was before the wait for the lock.
    is_recent = LoginSession.authenticated_at > func.now() - RECENT
    mine = select(is_recent.label("is_recent")).where(LoginSession.id == user.session_id)
    found = (await session.execute(mine)).one_or_none()
    if found is None:
        raise unauthorized(token_was_sent=True)
    if not found.is_recent:
        raise not_recent()


async def get_user_with_recent_factor(user: CurrentUser, database: Autocommit) -> Caller:
    if user.is_program or (not user.is_recent and await missing_factor(database, user.id)):
        raise not_recent()
    return user


# The caller; if the account has a second factor, with a recent login. For routes that an account without one may use.
RecentFactor = Annotated[Caller, Depends(get_user_with_recent_factor)]


async def get_superuser(user: CurrentUser) -> Caller:
    if not user.is_superuser:
        raise insufficient_scope(user, ["users:write"])
    return user


CurrentSuperuser = Annotated[Caller, Security(get_superuser, scopes=["users:write"])]


async def get_client(connection: HTTPConnection) -> Client:
    user_agent = connection.headers.get("User-Agent")
    return Client(
        connection.client.host if connection.client else "unknown",
        user_agent and user_agent.replace("\0", "")[:USER_AGENT_MAX_LENGTH],
    )


CurrentClient = Annotated[Client, Depends(get_client)]
