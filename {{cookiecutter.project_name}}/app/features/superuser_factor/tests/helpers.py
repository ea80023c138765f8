"""What several files of tests do with the sessions of superusers."""

from httpx import AsyncClient

from app.auth.accounts import find_account
from app.auth.clients import Client
from app.auth.sessions import begin_session
from app.core.database import database
from app.models import User
from app.tests.helpers import CLIENT_IP, Json

REFUSED = (
    403,
    {"detail": "Only superusers who logged in with more than a password may do this", "error": "insufficient_scope"},
)


async def begin_with(method: str, user: User) -> Json:
    """The tokens of a session that began this way."""
    client = Client(CLIENT_IP)
    account = await find_account(database, user.id, client)
    assert account is not None
    tokens = await begin_session(database, account, client, method)
    assert tokens is not None
    return tokens._asdict()


async def has_rights(client: AsyncClient, headers: dict[str, str]) -> bool:
    response = await client.get("/users", headers=headers)
    if response.status_code == 200:
        return True
    assert (response.status_code, response.json()) == REFUSED
    return False
