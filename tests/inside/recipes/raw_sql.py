"""Raw SQL."""

from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.models import User
from app.reports import registrations_per_day


async def test_parameter_is_a_value_and_never_sql(session: AsyncSession, default_user: User) -> None:
    today = datetime.now(UTC).date()
    assert await registrations_per_day(session, "example.com") == [(today, 1)]
    assert await registrations_per_day(session, "' OR true --") == []
