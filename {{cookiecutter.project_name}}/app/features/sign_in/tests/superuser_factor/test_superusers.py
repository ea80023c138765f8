"""A sign-in is as weak as a password: it gives nobody a superuser's rights where more is required."""

from httpx import AsyncClient
from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.features.sign_in.tests.helpers import PAGE, headers_of, sign_in
from app.features.sign_in.tests.provider import FakeProvider
from app.features.superuser_factor.tests.helpers import has_rights
from app.models import User


async def test_a_superuser_who_signs_in_has_no_rights(
    client: AsyncClient, session: AsyncSession, company: FakeProvider, superuser: User, required: None
) -> None:
    await session.execute(update(User).values(email_verified_at=func.now()))
    await session.commit()
    company.person["email"] = superuser.email
    assert await sign_in(client, company) == PAGE
    assert not await has_rights(client, await headers_of(client))
