"""A queue."""

import asyncio

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs import do_next_job
from app.models import Job


async def test_workers_share_jobs_and_wait_for_nobody(session: AsyncSession) -> None:
    session.add_all([Job(f"job {number}") for number in range(5)])
    await session.commit()
    begun: list[str] = []
    all_begun = asyncio.Event()

    async def do(job: Job) -> None:
        begun.append(job.kind)
        if len(begun) == 5:
            all_begun.set()
        await asyncio.wait_for(all_begun.wait(), 60)  # fails if one worker waits for another's lock

    assert sorted(await asyncio.gather(*(do_next_job(do) for _ in range(6)))) == [False] + [True] * 5
    assert sorted(begun) == [f"job {number}" for number in range(5)]
    assert await session.scalar(select(func.count()).select_from(Job)) == 0


async def test_job_that_fails_stays(session: AsyncSession) -> None:
    session.add(Job("hopeless"))
    await session.commit()

    async def fail(job: Job) -> None:
        raise OSError(job.kind)

    with pytest.raises(OSError, match="hopeless"):
        await do_next_job(fail)
    assert await session.scalar(select(func.count()).select_from(Job)) == 1
