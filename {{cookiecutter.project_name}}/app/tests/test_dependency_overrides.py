"""The application's dependencies can be overridden as FastAPI's documentation shows."""

import re
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from httpx import AsyncClient
from sqlalchemy import make_url

from app.api.cookies import COOKIE
from app.api.deps import get_current_user, get_database
from app.core.config import settings
from app.core.database import Database
from app.core.security import create_refresh_token
from app.main import app
from app.models import User
from app.tests.helpers import CALLER, PASSWORD, Json, said_by_features

REFRESH_TOKEN = {"refresh_token": create_refresh_token(uuid.uuid4(), 0)}
BODIES: dict[tuple[str, str], Json] = {
    ("POST", "/auth/access-token"): {"data": {"username": CALLER.email, "password": PASSWORD}},
    ("POST", "/auth/refresh-token"): {"json": REFRESH_TOKEN},
    ("POST", "/auth/reauthenticate"): {"json": {"password": PASSWORD}},
    ("POST", "/auth/logout"): {"json": REFRESH_TOKEN},
    ("POST", "/auth/revoke"): {"data": {"token": REFRESH_TOKEN["refresh_token"]}},
    ("POST", "/auth/browser/login"): {"data": {"username": CALLER.email, "password": PASSWORD}},
    ("POST", "/auth/browser/refresh"): {"headers": {"Cookie": f"{COOKIE}={REFRESH_TOKEN['refresh_token']}"}},
    ("POST", "/auth/browser/logout"): {"headers": {"Cookie": f"{COOKIE}={REFRESH_TOKEN['refresh_token']}"}},
    ("POST", "/users/register"): {"json": {"email": CALLER.email, "password": PASSWORD}},
    ("POST", "/users/reset-password"): {"json": {"current_password": PASSWORD, "new_password": PASSWORD}},
    ("PATCH", "/users/{user_id}"): {"json": {"is_active": False}},
    ("POST", "/pets/create"): {"json": {"pet_name": "Rex"}},
    ("PATCH", "/pets/{pet_id}"): {"json": {"pet_name": "Rex"}},
}
# GET /users/me only returns what get_current_user has found.
WITHOUT_DATABASE = {("GET", "/"), ("GET", "/health/live"), ("GET", "/users/me")}
WITHOUT_DATABASE |= {("GET", "/.well-known/jwks.json"), ("GET", "/.well-known/oauth-authorization-server")}
for routes in said_by_features("routes"):
    BODIES |= routes.BODIES
    WITHOUT_DATABASE |= routes.WITHOUT_DATABASE


def operations() -> list[tuple[str, str]]:
    """Those that are described, except where a body is required that is not among BODIES."""
    operations = [
        ((method.upper(), path.removeprefix(settings.api_prefix)), "requestBody" in operation)
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]
    return [call for call, needs_body in operations if not needs_body or call in BODIES]


@pytest.fixture
async def unreachable_database() -> AsyncIterator[None]:
    unreachable = Database(make_url("postgresql+asyncpg://nobody:nothing@127.0.0.1:1/test"))
    app.dependency_overrides[get_database] = lambda: unreachable
    yield
    del app.dependency_overrides[get_database]
    await unreachable.dispose()


@pytest.fixture
def another_caller() -> Iterator[None]:
    app.dependency_overrides[get_current_user] = lambda: CALLER
    yield
    del app.dependency_overrides[get_current_user]


@pytest.mark.usefixtures("another_caller", "unreachable_database")
@pytest.mark.parametrize(("method", "path"), [call for call in operations() if call not in WITHOUT_DATABASE])
async def test_one_override_replaces_the_database_of_every_route(client: AsyncClient, method: str, path: str) -> None:
    url = re.sub(r"\{\w+\}", str(uuid.uuid4()), path)
    response = await client.request(method, url, **BODIES.get((method, path), {}))
    assert response.status_code == 503, response.text


@pytest.mark.usefixtures("unreachable_database")
async def test_the_callers_query_goes_to_the_overriding_database(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    assert (await client.get("/users/me", headers=default_user_headers)).status_code == 503


@pytest.mark.usefixtures("another_caller")
async def test_one_override_replaces_the_caller(client: AsyncClient, default_user: User) -> None:
    assert (await client.get("/users/me")).json() == {"id": str(CALLER.id), "email": CALLER.email}
    assert [user["id"] for user in (await client.get("/users")).json()] == [str(default_user.id)]
