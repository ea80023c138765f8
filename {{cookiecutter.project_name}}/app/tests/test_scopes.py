"""What a route may ask of its caller beside an account: scopes (RFC 6749 section 3.3, RFC 6750, RFC 9068)."""

import time
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Security
from httpx import AsyncClient

from app.api.deps import get_current_user
from app.auth.caller import Caller
from app.auth.scopes import RESERVED, SCOPES, scope_givers
from app.core.database import Database
from app.main import app, create_app
from app.models import User
from app.tests.helpers import CLIENT_IP, bearer, begin, client_at, recorded_statements
from app.tests.tokens import forge

router = APIRouter()


@router.get("/toys")
async def read_toys(_: Annotated[Caller, Security(get_current_user, scopes=["toys:read"])]) -> None:
    """A route for everybody whose token lets them."""


@router.post("/toys")
async def make_toy(_: Annotated[Caller, Security(get_current_user, scopes=["toys:read", "toys:write"])]) -> None:
    """A route that wants two scopes."""


@router.get("/prizes")
async def read_prizes(_: Annotated[Caller, Security(get_current_user, scopes=["prizes:read"])]) -> None:
    """A route for those who have a reserved scope."""


@pytest.fixture
def client(empty_tables: None, monkeypatch: pytest.MonkeyPatch) -> AsyncClient:
    """A client of an application with these routes, too."""
    for scope in ("toys:read", "toys:write", "prizes:read"):
        monkeypatch.setitem(SCOPES, scope, "A scope of the tests")
    RESERVED.add("prizes:read")
    app = create_app()
    client = client_at(CLIENT_IP, app)
    app.include_router(router, prefix=client.base_url.path.rstrip("/"))
    return client


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    reserved, givers = set(RESERVED), list(scope_givers)
    yield
    RESERVED.intersection_update(reserved)
    scope_givers[:] = givers


async def with_scope(user: User, scope: Any) -> dict[str, str]:
    """The headers of an access token with this `scope`."""
    now, genuine = int(time.time()), (await begin(user))["access_token"]
    return {"Authorization": f"Bearer {forge(genuine, {'scope': scope, 'iat': now})}"}


async def test_a_login_has_every_scope_that_is_not_reserved(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    for path in ("/toys", "/auth/sessions", "/users/me"):
        assert (await client.get(path, headers=default_user_headers)).status_code == 200
    for path, scope in (("/users", "users:read"), ("/prizes", "prizes:read")):
        response = await client.get(path, headers=default_user_headers)
        assert response.status_code == 403
        assert response.json() == {"detail": "Only superusers may do this", "error": "insufficient_scope"}
        assert response.headers["WWW-Authenticate"] == f'Bearer error="insufficient_scope", scope="{scope}"'


async def test_a_token_opens_what_its_scopes_say_and_no_more(client: AsyncClient, default_user: User) -> None:
    headers = await with_scope(default_user, "toys:read nonsense")
    for path in ("/toys", "/users/me"):
        assert (await client.get(path, headers=headers)).status_code == 200
    response = await client.post("/toys", headers=headers)
    assert response.status_code == 403
    assert response.json() == {"detail": "The token lacks a scope", "error": "insufficient_scope"}
    assert response.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="toys:read toys:write"'
    for path in ("/auth/sessions", "/users", "/prizes"):
        assert (await client.get(path, headers=headers)).status_code == 403
    assert (await client.post("/auth/logout-all", headers=headers)).status_code == 403


@pytest.mark.parametrize("scope", ["", "TOYS:READ", "toys:read,toys:write", "toys:*"])
async def test_no_other_spelling_is_a_scope(client: AsyncClient, default_user: User, scope: str) -> None:
    assert (await client.get("/toys", headers=await with_scope(default_user, scope))).status_code == 403


@pytest.mark.parametrize("scope", [None, 1, ["pets:read"], {"pets:read": True}, True])
async def test_a_scope_of_another_type_makes_no_token(client: AsyncClient, default_user: User, scope: object) -> None:
    assert (await client.get("/users/me", headers=await with_scope(default_user, scope))).status_code == 401


async def test_a_token_with_more_scopes_than_its_account_has_opens_no_more(
    client: AsyncClient, default_user: User
) -> None:
    headers = await with_scope(default_user, " ".join(SCOPES))
    assert (await client.get("/users", headers=headers)).status_code == 403
    change = {"is_superuser": True}
    assert (await client.patch(f"/users/{default_user.id}", json=change, headers=headers)).status_code == 403


async def test_a_superusers_token_without_its_scopes_has_no_superusers_rights(
    client: AsyncClient, superuser: User
) -> None:
    headers = await with_scope(superuser, "users:read account")
    assert (await client.get("/users", headers=headers)).status_code == 200
    response = await client.patch(f"/users/{superuser.id}", json={"is_active": True}, headers=headers)
    assert response.status_code == 403
    assert response.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="users:write"'


async def test_a_feature_may_give_a_reserved_scope(
    client: AsyncClient, default_user: User, other_user: User, superuser_headers: dict[str, str]
) -> None:
    async def give(_: Database, user_id: object) -> frozenset[str]:
        return frozenset({"prizes:read"} if user_id == other_user.id else ())

    scope_givers.append(give)
    for headers, status in (
        (superuser_headers, 200),
        (bearer(await begin(default_user)), 403),
        (bearer(await begin(other_user)), 200),
        (await with_scope(other_user, "prizes:read"), 200),
        (await with_scope(other_user, "toys:read"), 403),
    ):
        assert (await client.get("/prizes", headers=headers)).status_code == status


async def test_scopes_cost_no_query_beside_the_callers(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    with recorded_statements() as statements:
        assert (await client.get("/toys", headers=default_user_headers)).status_code == 200
    assert len(statements) == 1


def test_the_specification_lists_the_scopes_that_routes_need() -> None:
    needed = {
        scope
        for operations in app.openapi()["paths"].values()
        for operation in operations.values()
        for scheme in operation["security"]
        for scopes in scheme.values()
        for scope in scopes
    }
    assert needed >= {"account", "users:read", "users:write"}
    for flow in app.openapi()["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"].values():
        assert flow["scopes"].keys() == needed
