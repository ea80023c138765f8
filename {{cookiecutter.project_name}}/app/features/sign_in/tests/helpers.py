"""What several test files do."""

from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

from httpx import AsyncClient, Response
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.cookies import COOKIE as REFRESH_COOKIE
from app.core.database import database
from app.core.passwords import NO_PASSWORD
from app.features.sign_in.models import Identity
from app.features.sign_in.tests.provider import FakeProvider
from app.models import LoginSession, User
from app.tests.helpers import Json

PAGE = "https://app.example.com/welcome"


async def begin(client: AsyncClient, provider: str = "company", **query: str) -> str:
    """Where a browser is sent to sign in."""
    response = await client.get(f"/auth/providers/{provider}/login", params={"return_to": PAGE} | query)
    assert response.status_code == 303, response.text
    return response.headers["Location"]


async def come_back(client: AsyncClient, answer: dict[str, str], provider: str = "company") -> Response:
    response = await client.get(f"/auth/providers/{provider}/callback", params=answer)
    assert response.status_code == 303, response.text
    return response


async def sign_in(client: AsyncClient, company: FakeProvider, **query: str) -> str:
    """The address that the browser ends up at."""
    return (await come_back(client, company.authorize(await begin(client, **query)))).headers["Location"]


async def tokens_of(client: AsyncClient) -> Json:
    """What the page gets for the cookie that the browser has."""
    response = await client.post("/auth/browser/refresh")
    assert response.status_code == 200, response.text
    tokens: Json = response.json()
    return tokens


async def headers_of(client: AsyncClient) -> dict[str, str]:
    return {"Authorization": f"Bearer {(await tokens_of(client))['access_token']}"}


def is_logged_in(client: AsyncClient) -> bool:
    return REFRESH_COOKIE in client.cookies


def error_of(location: str) -> str:
    return dict(parse_qsl(urlsplit(location).fragment)).get("error", "")


async def accounts() -> list[tuple[str, bool, bool]]:
    """Each account's address, and whether it has a password and is verified."""
    rows = await database.fetch_all(select(*User.__table__.columns).order_by(User.email))
    return [(row.email, row.hashed_password != NO_PASSWORD, row.email_verified_at is not None) for row in rows]


async def identities() -> list[tuple[str, str]]:
    """Each identity's subject, and the address of its account."""
    columns = select(Identity.__table__.c.subject, User.__table__.c.email)
    rows = await database.fetch_all(columns.join(User, User.id == Identity.user_id).order_by(Identity.subject))
    return [(row.subject, row.email) for row in rows]


async def start(client: AsyncClient, headers: dict[str, str], purpose: str = "link", **more: str) -> Response:
    path = f"/auth/browser/providers/company/{purpose}"
    return await client.post(
        path, json={"return_to": PAGE}, headers=headers | {"Origin": "https://app.example.com"} | more
    )


async def finish(client: AsyncClient, company: FakeProvider, started: Response) -> str:
    """The address that the browser ends up at."""
    assert started.status_code == 200, started.text
    return (await come_back(client, company.authorize(started.json()["location"]))).headers["Location"]


async def make_stale(session: AsyncSession) -> None:
    """Nobody has logged in within the last ten minutes."""
    await session.execute(update(LoginSession).values(authenticated_at=func.now() - timedelta(minutes=11)))
    await session.commit()
