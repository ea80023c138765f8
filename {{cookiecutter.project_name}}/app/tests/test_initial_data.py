"""`python -m app.initial_data`."""

import asyncio

from httpx import AsyncClient
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import settings
from app.initial_data import create_first_superuser
from app.models import User
from app.tests.helpers import bearer, tokens_in, try_login
from app.tests.other_settings import other_settings

EMAIL = str(settings.first_superuser_email)
PASSWORD = settings.first_superuser_password.get_secret_value() if settings.first_superuser_password else ""


async def test_the_first_superuser_can_log_in_and_has_superuser_rights(client: AsyncClient) -> None:
    message = await create_first_superuser()
    assert EMAIL.lower() in message
    assert PASSWORD not in message
    tokens = tokens_in(await try_login(client, EMAIL, PASSWORD))
    assert (await client.get("/users", headers=bearer(tokens))).status_code == 200


async def test_repeating_it_changes_nothing(session: AsyncSession) -> None:
    await create_first_superuser()
    created = await session.scalar(select(User.hashed_password))
    assert "already" in await create_first_superuser()
    assert (await session.scalars(select(User.hashed_password))).all() == [created]


async def test_an_existing_account_is_not_changed(client: AsyncClient, session: AsyncSession) -> None:
    body = {"email": EMAIL.upper(), "password": "a password of its own"}
    assert (await client.post("/users/register", json=body)).status_code == 201
    assert "Set another FIRST_SUPERUSER_EMAIL" in await create_first_superuser()
    assert (await session.scalars(select(User.is_superuser))).all() == [False]


async def test_it_is_not_created_again_while_there_is_another_superuser(session: AsyncSession, superuser: User) -> None:
    """The first one may have changed its email address, or somebody else may have taken over."""
    assert await create_first_superuser() == "A superuser already exists."
    assert (await session.scalars(select(User.id))).all() == [superuser.id]


async def test_only_one_of_10_simultaneous_runs_creates_it(session: AsyncSession) -> None:
    messages = await asyncio.gather(*(create_first_superuser() for _ in range(10)))
    assert sum(message.startswith("Created") for message in messages) == 1
    assert await session.scalar(select(func.count()).select_from(User)) == 1


async def test_the_password_is_shown_once_when_it_is_created_for_development(session: AsyncSession) -> None:
    url = settings.sqlalchemy_url.render_as_string(hide_password=False)
    with other_settings(ENVIRONMENT="dev", DATABASE_URL=url):
        assert PASSWORD in await create_first_superuser()
        assert PASSWORD not in await create_first_superuser()
