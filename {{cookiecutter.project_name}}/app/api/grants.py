"""The grants of OAuth 2.0, for the token endpoint and the routes for browsers."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

from fastapi import Request
from pydantic import BaseModel

from app.api.errors import INCORRECT_EMAIL_OR_PASSWORD, INVALID_REFRESH_TOKEN
from app.api.oauth_errors import Documented, OAuthError, Refusal
from app.auth.clients import Client
from app.auth.login import authenticate, finish_login
from app.auth.sessions import Tokens, spend_refresh_token
from app.core.database import Database
from app.schemas.responses import Response

INCORRECT_LOGIN: Final = Refusal("invalid_grant", INCORRECT_EMAIL_OR_PASSWORD)
INCORRECT_REFRESH_TOKEN: Final = Refusal("invalid_grant", INVALID_REFRESH_TOKEN)


class Grant(NamedTuple):
    """A feature's grant of the token endpoint."""

    description: str
    form: type[BaseModel]  # its parameters, all optional: other grants don't have them
    issue: Callable[[Database, Any, Request, Client], Awaitable[Response]]  # gets the form; raises what it refuses
    response: type[Response]
    errors: Documented
    refusals: Sequence[Refusal]
    flow: str  # its name in OpenAPI
    auth_methods: Sequence[str]  # of clients, as RFC 8414 calls them


grants: Final[dict[str, Grant]] = {}  # features add theirs, by their `grant_type`


async def log_in(database: Database, email: str, password: str, client: Client) -> Tokens:
    """The tokens of a new session. Raises OAuthError, and what the login steps raise."""
    account = await authenticate(database, email, password, client)
    tokens = account and await finish_login(database, account, client, "password")
    if tokens is None:  # an unknown user, a wrong password or an inactive user: clients can't tell
        raise OAuthError(INCORRECT_LOGIN)
    return tokens


async def refresh(database: Database, refresh_token: str, client: Client) -> Tokens:
    """The next tokens of a session. Raises OAuthError."""
    tokens = await spend_refresh_token(database, refresh_token, client)
    if tokens is None:
        raise OAuthError(INCORRECT_REFRESH_TOKEN)
    return tokens
