"""`GET /` and the probes."""

import asyncio
import logging
import re
import time
import tomllib

import pytest
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.endpoints import health as endpoint
from app.core.config import PROJECT_DIR
from app.core.database import database
from app.models import User
from app.server import health
from app.tests.helpers import PATIENCE, bearer, begin, recorded_statements, try_login, waiting_for_locks
from app.tests.other_settings import application_with


@pytest.fixture(autouse=True)
def without_earlier_results(monkeypatch: pytest.MonkeyPatch) -> None:
    health.readiness_of.cache_clear()
    monkeypatch.setattr(health, "PROBE_TIMEOUT", PATIENCE)


async def lock_migrations(session: AsyncSession) -> None:
    """Make every probe wait until `session` ends its transaction."""
    await session.execute(text("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE"))


async def test_root_names_and_describes_the_application(client: AsyncClient) -> None:
    project = tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    response = await client.get("/")
    assert response.status_code == 200
    assert response.json() == {name: project[name] for name in ("name", "version", "description")}


CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


async def test_root_leads_a_browser_to_the_documentation(client: AsyncClient) -> None:
    page = await client.get("/", headers={"Accept": CHROMIUM})
    assert page.headers["Content-Type"].startswith("text/html")
    (path,) = re.findall('<a href="(.*)">', page.text)
    assert (await client.get(client.base_url.join(path))).status_code == 200

    for accepted in ("*/*", "application/json", "application/json, text/html;q=0.5"):
        response = await client.get("/", headers={"Accept": accepted})
        assert response.headers["Content-Type"] == "application/json"
        assert "Accept" in response.headers["Vary"]


async def test_root_names_no_documentation_where_there_is_none() -> None:
    async with application_with(DOCS="false") as client:
        assert (await client.get("/", headers={"Accept": CHROMIUM})).headers["Content-Type"] == "application/json"


async def test_ready_when_the_database_is_at_the_newest_migration(client: AsyncClient) -> None:
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


async def test_many_simultaneous_probes_send_one_query(
    client: AsyncClient, session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "monotonic", lambda: 0.0)  # or the result would be too old for the last of the probes
    await lock_migrations(session)
    with recorded_statements() as statements:
        probes = [asyncio.create_task(client.get("/health/ready")) for _ in range(300)]
        await waiting_for_locks(1)
        assert not any(probe.done() for probe in probes)
        await session.rollback()
        assert {response.status_code for response in await asyncio.gather(*probes)} == {200}
    assert len([statement for statement in statements if "alembic_version" in statement]) == 1


async def test_a_result_of_the_database_is_kept_for_a_second(
    client: AsyncClient, session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(health, "monotonic", lambda: now)
    statuses = [(await client.get("/health/ready")).status_code]
    for change in (
        "ALTER TABLE alembic_version RENAME TO elsewhere",
        "ALTER TABLE elsewhere RENAME TO alembic_version",
    ):
        await session.execute(text(change))
        await session.commit()
        for seconds in (0.9, 0.1):
            now += seconds
            statuses.append((await client.get("/health/ready")).status_code)
    assert statuses == [200, 200, 503, 503, 200]


async def test_probes_of_a_silent_database_share_one_check(
    client: AsyncClient, session: AsyncSession, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(health, "PROBE_TIMEOUT", 0.1)
    monkeypatch.setattr(health, "monotonic", lambda: 0.0)  # or the result would be too old for the last of the probes
    monkeypatch.setattr(logging.getLogger("app"), "handlers", [caplog.handler])
    await lock_migrations(session)
    responses = await asyncio.gather(*(client.get("/health/ready") for _ in range(50)))
    await session.rollback()
    assert {response.status_code for response in responses} == {503}
    assert caplog.text.count("Not ready") == 1


async def test_a_stopping_server_immediately_reports_not_ready(
    client: AsyncClient, session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lock_migrations(session)
    waiting = asyncio.create_task(client.get("/health/ready"))
    await waiting_for_locks(1)
    monkeypatch.setattr(endpoint, "is_stopping", lambda: True)
    response = await client.get("/health/ready")
    assert not waiting.done()
    assert (response.status_code, response.json()["checks"]) == (503, {"server": "stopping"})
    await session.rollback()
    assert (await waiting).status_code == 200


async def test_alive_but_not_ready_while_the_database_is_unreachable() -> None:
    async with application_with(TEST_DATABASE_URL="postgresql://nobody:nothing@127.0.0.1:1/test") as client:
        live, ready = await client.get("/health/live"), await client.get("/health/ready")
        login = await try_login(client, "ana@example.com")
    assert (live.status_code, live.json()) == (200, {"status": "ok", "checks": {}})
    assert ready.status_code == 503
    assert ready.json() == {"status": "failed", "checks": {"database": "unreachable"}}
    assert login.status_code == 503
    assert login.json()["detail"] == "The service is temporarily unavailable, try again"
    assert int(login.headers["Retry-After"]) > 0


async def test_connections_that_the_database_has_closed_are_replaced(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    await database.dispose()  # or there would be more to terminate, at a tenth of a second each
    tokens = await begin(default_user)
    others = "WHERE datname = current_database() AND pid != pg_backend_pid()"
    await session.execute(text(f"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity {others}"))  # noqa: S608
    assert (await client.get("/users/me", headers=bearer(tokens))).status_code == 200
    assert (await try_login(client, default_user.email)).status_code == 200
