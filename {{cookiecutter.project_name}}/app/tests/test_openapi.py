"""The specification and the documentation page."""

import re
from typing import Any

import pytest
from httpx import AsyncClient

from app import openapi
from app.core.config import PROJECT, settings
from app.main import app
from app.models import User
from app.tests.helpers import PASSWORD, said_by_features

OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path.removeprefix(settings.api_prefix)}": operation
    for path, operations in app.openapi()["paths"].items()
    for method, operation in operations.items()
}


@pytest.mark.skipif(not openapi.PATH.exists(), reason="`make test` writes it, and it isn't committed yet")
def test_the_committed_specification_matches_the_code() -> None:
    assert openapi.PATH.read_text(encoding="utf-8") == openapi.describe(), "run `make openapi` to update it"


def test_every_promised_route_exists_under_its_name() -> None:
    promised = {
        "POST /auth/access-token": "login_access_token",
        "POST /auth/refresh-token": "refresh_token",
        "POST /auth/revoke": "revoke_token",
        "POST /auth/logout": "logout",
        "POST /auth/logout-all": "logout_everywhere",
        "POST /auth/reauthenticate": "reauthenticate",
        "GET /auth/sessions": "read_my_sessions",
        "DELETE /auth/sessions/{session_id}": "revoke_my_session",
        "POST /users/register": "register_new_user",
        "GET /users/me": "read_current_user",
        "DELETE /users/me": "delete_current_user",
        "POST /users/reset-password": "reset_current_user_password",
        "GET /users": "read_users",
        "GET /users/{user_id}": "read_user",
        "PATCH /users/{user_id}": "update_user",
        "DELETE /users/{user_id}": "delete_user",
        "POST /pets/create": "create_new_pet",
        "GET /pets/me": "get_all_my_pets",
        "GET /pets/{pet_id}": "read_pet",
        "PATCH /pets/{pet_id}": "update_pet",
        "DELETE /pets/{pet_id}": "delete_pet",
        "POST /auth/browser/login": "log_in_browser",
        "POST /auth/browser/refresh": "refresh_browser",
        "POST /auth/browser/logout": "log_out_browser",
        "GET /.well-known/jwks.json": "read_key_set",
        "GET /.well-known/oauth-authorization-server": "read_server_metadata",
        "GET /": "about",
        "GET /health/live": "live",
        "GET /health/ready": "ready",
    }
    for routes in said_by_features("routes"):
        promised |= routes.NAMES
    names = {name: operation["operationId"] for name, operation in OPERATIONS.items()}
    assert {name: names.get(name) for name in promised} == promised  # beside those that you add


async def test_a_route_that_needs_a_token_documents_it_and_refuses_requests_without_one(client: AsyncClient) -> None:
    open_to_all = {
        *("POST /auth/access-token", "POST /auth/refresh-token", "POST /auth/revoke", "POST /auth/logout"),
        *("POST /auth/browser/login", "POST /auth/browser/refresh", "POST /auth/browser/logout"),
        "POST /users/register",
        *("GET /", "GET /health/live", "GET /health/ready"),
        *("GET /.well-known/jwks.json", "GET /.well-known/oauth-authorization-server"),
    }
    for routes in said_by_features("routes"):
        open_to_all |= {" ".join(call) for call in routes.OPEN_TO_ALL}
    assert {name for name, operation in OPERATIONS.items() if not operation["security"]} == open_to_all
    for name in OPERATIONS.keys() - open_to_all:
        assert "WWW-Authenticate" in OPERATIONS[name]["responses"]["401"]["headers"]
        method, path = re.sub(r"\{\w+\}", "8ae7ff58-9b32-4ac9-94b7-8d5a3f4b7f45", name).split()
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            response = await client.request(method, path, headers=headers, json={})
            assert response.status_code == 401, name
            assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_route_is_documented(name: str) -> None:
    """Every test also checks the responses that it gets; see assert_documented in helpers.py."""
    operation = OPERATIONS[name]
    assert set(operation["tags"]) <= {tag["name"] for tag in app.openapi()["tags"] if tag["description"]}
    assert operation["description"]
    for status, response in operation["responses"].items():
        assert response["description"]
        if int(status) >= 400 or "application/json" in response.get("content", {}):
            assert "schema" in response["content"]["application/json"]
        if status in {"401", "429", "503"} and name != "GET /health/ready":
            assert response["headers"].keys() == {"WWW-Authenticate" if status == "401" else "Retry-After"}
    if "requestBody" in operation:
        is_raw = "application/octet-stream" in operation["requestBody"]["content"]
        assert operation["responses"].keys() >= {"400", "413", *(() if is_raw else ("422",))}


async def test_the_specification_is_served(client: AsyncClient) -> None:
    response = await client.get("/openapi.json")
    assert response.status_code == 200
    assert response.json() == app.openapi()
    assert response.json()["openapi"].startswith("3.")


def test_the_specification_says_where_the_api_is_whose_and_under_which_terms() -> None:
    specification = app.openapi()
    assert specification["servers"] == [{"url": "/"}]
    assert specification["info"]["contact"] == {"name": PROJECT["authors"][0]["name"]}
    assert specification["info"]["license"]["identifier"] == PROJECT["license"]


async def test_the_authorize_button_logs_in(client: AsyncClient, default_user: User) -> None:
    """Swagger UI resolves the token URL against the specification's own URL, and sends these fields."""
    schemes = (await client.get("/openapi.json")).json()["components"]["securitySchemes"]
    flow = schemes["OAuth2PasswordBearer"]["flows"]["password"]
    form = {"grant_type": "password", "username": default_user.email, "password": PASSWORD}
    response = await client.post(client.base_url.join(flow["tokenUrl"]), data=form)
    assert response.status_code == 200
    form = {"grant_type": "refresh_token", "refresh_token": response.json()["refresh_token"]}
    assert (await client.post(client.base_url.join(flow["refreshUrl"]), data=form)).status_code == 200


def test_a_token_can_be_pasted_wherever_the_form_logs_in() -> None:
    """Where a login wants more than the password, Swagger UI has no form for the rest."""
    assert app.openapi()["components"]["securitySchemes"]["access_token"]["scheme"] == "bearer"
    for name, operation in OPERATIONS.items():
        schemes = [list(scheme) for scheme in operation["security"]]
        assert schemes in ([], [["OAuth2PasswordBearer"], ["access_token"]]), name


def test_the_specification_begins_with_the_login() -> None:
    assert next(iter(OPERATIONS)) == "POST /auth/access-token"
    assert app.openapi()["tags"][0]["name"] == "auth"


def test_texts_for_clients_name_no_file_of_ours() -> None:
    assert not re.findall(r"[\w./]+\.(?:py|md)\b", openapi.describe())


async def test_the_page_is_short_and_asks_for_nothing_that_a_login_does_not_need(client: AsyncClient) -> None:
    page = (await client.get("/docs")).text
    assert '"docExpansion": "none"' in page
    for field in ("client_", "password_type"):  # the labels are Swagger UI's
        assert re.search(rf'label\[for\^?="{field}"\].*display: none', page, re.DOTALL)


async def test_the_other_page_of_fastapi_says_where_it_went(client: AsyncClient) -> None:
    response = await client.get("/redoc")
    assert (response.status_code, response.json()) == (
        404,
        {"detail": f"The documentation is at {settings.api_prefix}/docs"},
    )


async def test_the_documentation_page_loads_nothing_from_another_host(client: AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    urls = re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)["']""", page.text)
    assert len(urls) >= 4
    for url in urls:
        assert (await client.get(f"/{url}")).status_code == 200, url
