"""`python -m app.initial_data`."""

import asyncio

from httpx import AsyncClient
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import settings
from app.initial_data import create_first_superuser, reset_password
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
        assert await create_first_superuser() == "A superuser already exists."


async def test_a_newer_password_in_the_settings_is_noted_and_can_be_set(client: AsyncClient) -> None:
    await create_first_superuser()
    session_before = tokens_in(await try_login(client, EMAIL, PASSWORD))
    url = settings.sqlalchemy_url.render_as_string(hide_password=False)
    new = "the password of a newer .env"
    with other_settings(ENVIRONMENT="dev", DATABASE_URL=url, FIRST_SUPERUSER_PASSWORD=new):
        noted = await create_first_superuser()
        assert "isn't FIRST_SUPERUSER_PASSWORD" in noted
        assert "--reset-password" in noted
        assert await reset_password() == f"The password of {EMAIL.lower()} is set."
        assert await create_first_superuser() == "A superuser already exists."
    assert (await client.get("/users/me", headers=bearer(session_before))).status_code == 401
    assert (await try_login(client, EMAIL, new)).status_code == 200


async def test_nobody_but_a_superuser_is_given_the_password_of_the_settings(
    client: AsyncClient, session: AsyncSession
) -> None:
    body = {"email": EMAIL, "password": "a password of its own"}
    await client.post("/users/register", json=body)
    assert "is no superuser" in await reset_password()
    assert (await try_login(client, EMAIL, body["password"])).status_code == 200
