"""`GET /` and the probes."""

import tomllib

from httpx import AsyncClient, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import PROJECT_DIR
from app.tests.helpers import ask
from app.tests.processes import elsewhere


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


async def probe() -> tuple[Response, Response]:
    return await ask("GET", "/health/live"), await ask("GET", "/health/ready")


async def test_alive_but_not_ready_while_the_database_is_away() -> None:
    nobody_listens = {"TEST_DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:1/test"}
    live, ready = await elsewhere(nobody_listens, probe)
    assert (live.status_code, live.json()) == (200, {"status": "ok", "checks": {}})
    assert ready.status_code == 503
    assert ready.json() == {"status": "failed", "checks": {"database": "unreachable"}}
