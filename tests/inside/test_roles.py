"""The application under a role that owns nothing, with the grants from docs/scaling.md."""

import asyncio
import os
import re
import secrets
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator

import pytest
from httpx import AsyncClient
from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError

from app.core.config import PROJECT_DIR, settings
from app.tests.helpers import PASSWORD, bearer, connect, refresh
from app.tests.other_settings import application_with

BLOCKS = re.findall(r"```sql\n(.*?)```", (PROJECT_DIR / "docs/scaling.md").read_text(), re.DOTALL)
FROM_THE_START, LATER = [block for block in BLOCKS if "app_owner" in block]

NAME = f"{settings.sqlalchemy_url.database}_roles"  # of the database and of the application's role
SECRET = secrets.token_hex(16)


def url(role: str) -> URL:
    return settings.sqlalchemy_url.set(username=role, password=SECRET, database=NAME)


def as_text(url: URL) -> str:
    return url.render_as_string(hide_password=False)


async def run(sql: str, where: URL) -> None:
    async with connect(where) as connection:
        for statement in sql.split(";\n"):
            if statement.strip():
                await connection.execute(text(statement))


async def follow(block: str) -> None:
    """Run the block as the server's superuser, with other names than `app` and `app_owner`."""
    block = re.sub(r"\bapp(_owner)?\b", rf"{NAME}\1", block).replace("...", SECRET)
    outside, inside = block.split(f"\\connect {NAME}\n")
    await run(outside, settings.sqlalchemy_url)
    await run(inside, settings.sqlalchemy_url.set(database=NAME))


async def init_sh(**variables: str) -> tuple[int | None, str]:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
    replica = await asyncio.create_subprocess_exec(
        *("bash", "init.sh"),
        cwd=PROJECT_DIR,
        env=environment | {"ENVIRONMENT": "production", "VENV": sys.prefix} | variables,
        stdout=PIPE,
        stderr=STDOUT,
    )
    output = (await replica.communicate())[0].decode()
    return replica.returncode, output


@pytest.fixture(params=["from the start", "later"])
async def two_roles(request: pytest.FixtureRequest, application: None) -> AsyncIterator[None]:
    """A database that one role has migrated and another may use."""
    both = {"DATABASE_URL": as_text(url(NAME)), "MIGRATION_DATABASE_URL": as_text(url(f"{NAME}_owner"))}
    if request.param == "from the start":
        await follow(FROM_THE_START)
        code, output = await init_sh(**both)
    else:
        one = f"CREATE ROLE {NAME} LOGIN PASSWORD '{SECRET}';\nCREATE DATABASE {NAME} OWNER {NAME};\n"
        await run(one, settings.sqlalchemy_url)
        code, output = await init_sh(DATABASE_URL=as_text(url(NAME)))
        await follow(LATER)
    assert code == 0, output
    yield
    drop = f"DROP DATABASE {NAME} WITH (FORCE);\nDROP ROLE {NAME};\nDROP ROLE {NAME}_owner;\n"
    await run(drop, settings.sqlalchemy_url)


@pytest.fixture
async def served(two_roles: None) -> AsyncIterator[AsyncClient]:
    async with application_with(ENVIRONMENT="production", DATABASE_URL=as_text(url(NAME))) as client:
        yield client


async def test_the_application_role_can_serve_every_request(served: AsyncClient) -> None:
    body = {"email": "ana@example.com", "password": PASSWORD}
    assert (await served.get("/health/ready")).status_code == 200
    assert (await served.post("/users/register", json=body)).status_code == 201
    form = {"username": body["email"], "password": PASSWORD}
    tokens = (await served.post("/auth/access-token", data=form)).json()
    ana = bearer(await refresh(served, tokens))
    pet = (await served.post("/pets/create", json={"pet_name": "Rex"}, headers=ana)).json()
    path = f"/pets/{pet['id']}"
    assert (await served.patch(path, json={"pet_name": "Max"}, headers=ana)).status_code == 200
    assert [found["pet_name"] for found in (await served.get("/pets/me", headers=ana)).json()] == ["Max"]
    assert (await served.delete(path, headers=ana)).status_code == 204
    change = {"current_password": PASSWORD, "new_password": "another one, of her own"}
    assert (await served.post("/users/reset-password", json=change, headers=ana)).status_code == 204

    assert settings.first_superuser_password is not None
    form = {"username": "root@example.com", "password": settings.first_superuser_password.get_secret_value()}
    root = bearer((await served.post("/auth/access-token", data=form)).json())
    users = (await served.get("/users", headers=root)).json()
    path = f"/users/{users[0]['id']}"
    assert users[0]["email"] == "ana@example.com"
    assert (await served.patch(path, json={"is_active": False}, headers=root)).status_code == 200
    assert (await served.delete(path, headers=root)).status_code == 204


async def test_the_application_role_cannot_alter_the_schema(two_roles: None) -> None:
    for statement in (
        "ALTER TABLE pets ADD COLUMN colour text",
        "ALTER TABLE pets OWNER TO CURRENT_USER",
        "DROP TABLE pets",
        "TRUNCATE pets",
        "CREATE TABLE others (id int)",
        "CREATE INDEX ON pets (pet_name)",
    ):
        with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
            await run(statement, url(NAME))


async def test_the_application_role_needs_no_right_to_migrate_when_there_is_nothing_to_do(two_roles: None) -> None:
    serving = {"DATABASE_URL": as_text(url(NAME))}
    code, output = await init_sh(**serving)
    assert code == 0, output
    await run("DROP TABLE alembic_version", url(f"{NAME}_owner"))
    code, output = await init_sh(**serving)
    assert code == 1
    assert "permission denied for schema public. MIGRATION_DATABASE_URL may name another role.\n" in output
    assert "Traceback" not in output
