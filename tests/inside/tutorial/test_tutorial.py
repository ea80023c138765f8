"""What the tutorial's routes withstand, and its own tests don't show."""

import asyncio

from httpx import AsyncClient
from sqlalchemy import delete, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import User
from app.tests.helpers import bearer, begin, waiting_for_locks

EVENT = {"slug": "party", "title": "Party", "starts_at": "2030-06-21T18:00:00+02:00"}


async def test_an_event_that_is_deleted_while_it_is_changed_is_no_crash(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    for _ in range(5):
        assert (await client.post("/events", json=EVENT, headers=default_user_headers)).status_code == 201
        changes = (
            client.patch("/events/party", json={"title": f"Party {number}"}, headers=default_user_headers)
            for number in range(8)
        )
        deletions = (client.delete("/events/party", headers=default_user_headers) for _ in range(2))
        responses = await asyncio.gather(*changes, *deletions)
        assert {response.status_code for response in responses} <= {200, 204, 404}


async def test_an_event_of_an_account_that_is_being_deleted_is_no_crash(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    headers = bearer(await begin(default_user))
    await session.execute(delete(User).where(User.id == default_user.id))  # not committed yet
    creating = asyncio.create_task(client.post("/events", json=EVENT, headers=headers))
    await waiting_for_locks(1)
    await session.commit()
    assert (await creating).status_code == 401


async def test_a_page_of_events_is_one_descent_of_the_index(session: AsyncSession) -> None:
    await session.execute(text("SET LOCAL enable_seqscan = off"))
    plan = await session.scalars(text("EXPLAIN SELECT * FROM events ORDER BY starts_at DESC, id DESC LIMIT 3"))
    assert "Index Scan Backward using ix_events_starts_at_id" in "\n".join(plan)
