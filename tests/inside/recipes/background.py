"""A background task."""

from httpx import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import LoginSession


async def test_task_runs_after_the_response_and_commits(
    client: AsyncClient, session: AsyncSession, default_user_headers: dict[str, str]
) -> None:
    assert await session.scalar(select(LoginSession.user_agent)) is not None
    await session.rollback()

    assert (await client.delete("/devices", headers=default_user_headers)).status_code == 202

    assert await session.scalar(select(LoginSession.user_agent)) is None
