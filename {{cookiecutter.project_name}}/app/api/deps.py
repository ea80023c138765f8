"""The dependencies of routes: the caller, the database and the client's IP address."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, HTTPException, Request, status
from fastapi.requests import HTTPConnection
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.errors import NEEDS_SECOND_FACTOR, NOT_A_SUPERUSER, unauthorized
from app.auth.caller import Caller, find_caller
from app.core.config import settings
from app.core.database import Database, database


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
    connection: HTTPConnection, token: Annotated[str | None, Depends(oauth2_scheme)], database: Autocommit
) -> Caller:
    """Override this dependency to choose the caller."""
    caller = await find_caller(database, token) if token else None
    if caller is None:
        raise unauthorized(token_was_sent=bool(token))
    connection.state.user_id = caller.id  # for the request log
    return caller


CurrentUser = Annotated[Caller, Depends(get_current_user)]


async def get_superuser(user: CurrentUser) -> Caller:
    if not user.is_superuser:
        needs_more = settings.superuser_second_factor == "required"
        raise HTTPException(status.HTTP_403_FORBIDDEN, NEEDS_SECOND_FACTOR if needs_more else NOT_A_SUPERUSER)
    return user


CurrentSuperuser = Annotated[Caller, Depends(get_superuser)]


def client_ip_of(request: Request) -> str:
    return request.client.host if request.client else "unknown"


async def get_client_ip(request: Request) -> str:
    return client_ip_of(request)


ClientIp = Annotated[str, Depends(get_client_ip)]
