"""`GET /` and the probes."""

import tomllib

from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import PROJECT_DIR
from app.core.database import database
from app.models import User
from app.tests.helpers import bearer, begin, try_login
from app.tests.other_settings import application_with


async def test_root_says_what_runs_here(client: AsyncClient) -> None:
    project = tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    response = await client.get("/")
    assert response.status_code == 200
    assert response.json() == {name: project[name] for name in ("name", "version", "description")}


async def test_ready_once_the_database_answers_at_the_newest_migration(client: AsyncClient) -> None:
    response = await client.get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "checks": {"database": "ok"}}


async def test_not_ready_at_an_older_migration(client: AsyncClient, session: AsyncSession) -> None:
    newest = await session.scalar(text("SELECT version_num FROM alembic_version"))
    await session.execute(text("UPDATE alembic_version SET version_num = 'older'"))
    await session.commit()
    try:
        response = await client.get("/health/ready")
    finally:
        await session.execute(text("UPDATE alembic_version SET version_num = :newest"), {"newest": newest})
        await session.commit()
    assert response.status_code == 503
    assert response.json() == {
        "status": "failed",
        "checks": {"database": f"at migration older instead of {newest}"},
    }


async def test_not_ready_without_migrations(client: AsyncClient, session: AsyncSession) -> None:
    await session.execute(text("ALTER TABLE alembic_version RENAME TO elsewhere"))
    await session.commit()
    try:
        response = await client.get("/health/ready")
    finally:
        await session.execute(text("ALTER TABLE elsewhere RENAME TO alembic_version"))
        await session.commit()
    assert response.status_code == 503
    assert response.json() == {"status": "failed", "checks": {"database": "no migrations"}}


async def test_alive_but_not_ready_while_the_database_is_away() -> None:
    async with application_with(TEST_DATABASE_URL="postgresql://nobody:nothing@127.0.0.1:1/test") as client:
        live, ready = await client.get("/health/live"), await client.get("/health/ready")
        login = await try_login(client, "ana@example.com")
    assert (live.status_code, live.json()) == (200, {"status": "ok", "checks": {}})
    assert ready.status_code == 503
    assert ready.json() == {"status": "failed", "checks": {"database": "unreachable"}}
    assert login.status_code == 503
    assert login.json() == {"detail": "The service is not available now, try again"}
    assert int(login.headers["Retry-After"]) > 0


async def test_connections_that_the_database_has_closed_are_replaced(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    await database.dispose()  # or there would be more of them, a tenth of a second each
    tokens = await begin(default_user)
    others = "WHERE datname = current_database() AND pid != pg_backend_pid()"
    await session.execute(text(f"SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity {others}"))  # noqa: S608
    assert (await client.get("/users/me", headers=bearer(tokens))).status_code == 200
    assert (await try_login(client, default_user.email)).status_code == 200
