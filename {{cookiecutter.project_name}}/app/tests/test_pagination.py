"""Lists are served page by page, and each page links to the next (RFC 8288)."""

import base64
import json
import uuid
from itertools import product

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.deps import DbSession
from app.api.pagination import Column, PageQuery
from app.core.config import settings
from app.models import EMAIL_MAX_LENGTH, User
from app.tests.helpers import PASSWORD, Json, next_page, walk

EMAILS = [f"{name}@example.com" for name in ("ada", "bob", "eve", "kim", "root", "zoe")]  # root is the superuser


@pytest.fixture(autouse=True)
async def users(session: AsyncSession, superuser: User) -> None:
    session.add_all(User(email, "-") for email in reversed(EMAILS) if email != superuser.email)
    await session.commit()


def emails(users: list[Json]) -> list[str]:
    return [user["email"] for user in users]


async def test_a_list_that_fits_on_one_page_has_no_link(client: AsyncClient, superuser_headers: dict[str, str]) -> None:
    for query in ("", f"?limit={len(EMAILS)}"):
        response = await client.get(f"/users{query}", headers=superuser_headers)
        assert emails(response.json()) == EMAILS
        assert "Link" not in response.headers


async def test_following_the_links_gives_every_row_once_and_in_order(
    client: AsyncClient, superuser_headers: dict[str, str]
) -> None:
    for limit in (1, 4, 5):
        pages = await walk(client, f"/users?limit={limit}", superuser_headers)
        assert all(len(page) == limit for page in pages[:-1])
        assert [email for page in pages for email in emails(page)] == EMAILS


async def test_the_next_page_is_the_same_while_rows_come_and_go(
    client: AsyncClient, superuser_headers: dict[str, str]
) -> None:
    first = await client.get("/users?limit=3", headers=superuser_headers)
    await client.post("/users/register", json={"email": "aaron@example.com", "password": PASSWORD})
    await client.delete(f"/users/{first.json()[-1]['id']}", headers=superuser_headers)
    second = await client.get(next_page(first), headers=superuser_headers)
    assert emails(second.json()) == EMAILS[3:]


async def test_the_link_names_no_host_and_keeps_the_limit(
    client: AsyncClient, superuser_headers: dict[str, str]
) -> None:
    # A proxy may call us by any name.
    headers = superuser_headers | {"Host": settings.allowed_hosts[0] + ":8000"}
    response = await client.get("/users?limit=2", headers=headers)
    assert response.headers["Link"].startswith(f"<{settings.api_prefix}/users?limit=2&after=")
    assert response.headers["Link"].endswith('>; rel="next"')


async def test_a_page_has_1_to_100_rows(client: AsyncClient, superuser_headers: dict[str, str]) -> None:
    for limit in ("0", "-1", "101", "1.5", "x", "", "9" * 30, "1e1", "NaN", "%00"):
        assert (await client.get(f"/users?limit={limit}", headers=superuser_headers)).status_code == 422, limit
    for limit in ("1", "100"):
        assert (await client.get(f"/users?limit={limit}", headers=superuser_headers)).status_code == 200


def key(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


AN_ID = str(uuid.uuid4())
LAST_ID = str(uuid.UUID(int=2**128 - 1))


async def test_an_after_that_no_list_can_have_issued_is_refused(
    client: AsyncClient, superuser_headers: dict[str, str]
) -> None:
    for after in (
        *("", "x", "=", "%00", "żółw", "AAAA", "W10=", "bnVsbA==", "e30=", "MQ==", "[" * 500, "A" * 10_000),
        base64.urlsafe_b64encode(b"[" * 300).decode(),
        base64.urlsafe_b64encode(b'["\xff","x"]').decode(),
        *(key("Rex"), key("Rex", AN_ID, 1), key(1, AN_ID), key("Rex", "x"), key("Rex", 1), key(None, AN_ID)),
        *(key("Rex", None), key(["Rex"], AN_ID), key("\0", AN_ID), key("\ud800", AN_ID), key("Rex", AN_ID + "\0")),
    ):
        response = await client.get(f"/users?after={after}", headers=superuser_headers)
        assert response.status_code == 422, after
        assert response.json()["detail"][0]["loc"] == ["query", "after"]


async def test_an_after_may_name_a_row_that_never_existed(
    client: AsyncClient, superuser_headers: dict[str, str]
) -> None:
    """It marks a position in the order, and reveals nothing about anybody's rows."""
    response = await client.get(f"/users?after={key('kim@example.com', LAST_ID)}", headers=superuser_headers)
    assert emails(response.json()) == EMAILS[4:]


async def test_a_link_can_hold_the_longest_key(
    client: AsyncClient, session: AsyncSession, superuser_headers: dict[str, str]
) -> None:
    longest = "\U00010400" * EMAIL_MAX_LENGTH  # four bytes each
    session.add_all([User(longest, "hash"), User(f"\U00010401{longest[1:]}", "hash")])
    await session.commit()
    assert len(await walk(client, "/users?limit=1", superuser_headers)) >= 3


@pytest.mark.parametrize(
    "order_by",
    [
        (User.created_at, User.id),
        (User.created_at.desc(), User.id.desc()),
        (User.is_active.desc(), User.email),
        (User.is_active, User.created_at.desc(), User.id),
        (User.is_active.desc(), User.created_at, User.id.desc()),
    ],
)
async def test_a_list_can_have_any_order(session: AsyncSession, order_by: tuple[Column, ...]) -> None:
    for number, user in enumerate((await session.scalars(select(User))).all()):
        user.is_active = number % 2 == 0
        user.created_at = func.now() - func.make_interval(0, 0, 0, number % 3)
    await session.commit()
    app = FastAPI()

    @app.get("/")
    async def read_emails(page: PageQuery) -> list[Json]:
        columns = select(User.email, User.id, User.created_at, User.is_active)
        return [{"email": user.email} for user in await page.fetch(columns, *order_by)]

    @app.get("/objects")
    async def read_objects(page: PageQuery, session: DbSession) -> list[Json]:
        users = await page.fetch_objects(session, select(User), *order_by)
        return [{"email": user.email} for user in users if isinstance(user, User)]

    ordered = (await session.scalars(select(User.email).order_by(*order_by))).all()
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        for path, limit in product(("/", "/objects"), (1, 2, 4)):
            pages = await walk(client, f"{path}?limit={limit}", {})
            assert [email for page in pages for email in emails(page)] == ordered


async def test_an_order_of_unknown_type_is_refused(superuser: User) -> None:
    app = FastAPI()

    @app.get("/")
    async def read_emails(page: PageQuery) -> list[str]:
        email = func.lower(User.email).label("lower_email")
        return [user.lower_email for user in await page.fetch(select(email), email)]

    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        with pytest.raises(TypeError, match="type_=String"):
            await client.get("/?limit=1")
