"""Who gets an account that somebody else has registered with one's address: docs/mail.md has the table."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from httpx import AsyncClient
from sqlalchemy import event, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import database
from app.features.mail.models import Registration
from app.features.mail.tests.helpers import (
    NEW,
    OWN_PASSWORD,
    SETTINGS,
    Events,
    Mailbox,
    Stranger,
    change,
    known_clients,
    recover,
    register,
    state,
    verify,
)
from app.models import User
from app.tests.helpers import PASSWORD, bearer, begin, client_at, is_logged_in, tokens_in, try_login
from app.tests.other_settings import other_settings


async def test_who_recovers_an_account_has_it_alone(
    client: AsyncClient, session: AsyncSession, mailbox: Mailbox, chosen: str
) -> None:
    stranger = Stranger()
    await stranger.move_in()
    is_told = await client.post("/users/register", json={"email": NEW, "password": OWN_PASSWORD})
    assert is_told.status_code == (201 if chosen == "discreet" else 400)
    assert (await recover(client, mailbox)).status_code == 204
    assert not await stranger.has_anything_left()
    assert await known_clients(session) == 0
    headers = bearer(tokens_in(await try_login(client, NEW, OWN_PASSWORD)))
    assert (await state(client, headers))["pending"] is None


@pytest.mark.usefixtures("discreet")
@pytest.mark.parametrize("comes_first", ["stranger", "owner"])
async def test_of_two_who_register_the_link_that_is_followed_decides(
    client: AsyncClient, session: AsyncSession, mailbox: Mailbox, comes_first: str
) -> None:
    passwords = {"stranger": PASSWORD, "owner": OWN_PASSWORD}
    links = {}
    for who in sorted(passwords, key=lambda who: who != comes_first):
        response = await client.post("/users/register", json={"email": NEW, "password": passwords[who]})
        assert response.status_code == 201
        links[who] = await mailbox.token(NEW, "verify-email")
    assert (await verify(client, links["owner"])).status_code == 204
    assert (await try_login(client, NEW, PASSWORD)).status_code == 400
    assert (await try_login(client, NEW, OWN_PASSWORD)).status_code == 200
    for link in links.values():
        assert (await verify(client, link)).status_code == 400
    assert (await session.scalars(select(Registration))).all() == []


@pytest.mark.usefixtures("discreet")
async def test_registrations_that_nobody_confirmed_are_forgotten(client: AsyncClient, session: AsyncSession) -> None:
    await register(client)
    registration = (await session.scalars(select(Registration))).one()
    assert registration.expires_at > datetime.now(UTC) + timedelta(hours=47)
    registration.expires_at = datetime.now(UTC) - timedelta(seconds=1)
    await session.commit()
    await register(client, "another@example.com")
    assert (await session.scalars(select(Registration.email))).all() == ["another@example.com"]


@pytest.mark.usefixtures("discreet")
async def test_no_link_of_a_registration_works_once_the_password_was_recovered(
    client: AsyncClient, mailbox: Mailbox
) -> None:
    await Stranger().move_in()
    link = await mailbox.token(NEW, "verify-email")
    assert (await recover(client, mailbox)).status_code == 204
    assert (await verify(client, link)).status_code == 400
    await register(client)
    assert await mailbox.subjects() == {"You already have an account": NEW, "Your password was changed": NEW}
    assert (await try_login(client, NEW, OWN_PASSWORD)).status_code == 200


async def test_whoever_confirms_without_being_logged_in_ends_all_but_the_password_that_came_with_it(
    client: AsyncClient, session: AsyncSession, mailbox: Mailbox
) -> None:
    stranger = Stranger()
    await stranger.move_in()
    assert (await verify(client, await mailbox.token(NEW, "verify-email"))).status_code == 204
    assert not await is_logged_in(client, stranger.tokens)
    assert await known_clients(session) == 0
    assert await mailbox.subjects() == {}, "there is nothing to set up again"
    assert (await try_login(client, NEW)).status_code == 200, "whoever confirms a registration confirms its password"
    assert (await recover(client, mailbox)).status_code == 204
    assert not await stranger.has_anything_left()


async def test_an_owner_who_confirms_in_a_session_of_the_account_loses_nothing(
    client: AsyncClient, session: AsyncSession, mailbox: Mailbox
) -> None:
    headers = await Stranger().move_in()
    assert (await verify(client, await mailbox.token(NEW, "verify-email"), headers)).status_code == 204
    assert (await state(client, headers))["pending"] == "another@example.com"
    assert await known_clients(session) == 1


async def test_a_session_of_another_account_proves_nothing(
    client: AsyncClient, mailbox: Mailbox, default_user: User
) -> None:
    stranger = Stranger()
    await stranger.move_in()
    link = await mailbox.token(NEW, "verify-email")
    assert (await verify(client, link, bearer(await begin(default_user)))).status_code == 204
    assert not await is_logged_in(client, stranger.tokens)


async def test_who_is_logged_out_by_a_verification_logs_in_again(client: AsyncClient, mailbox: Mailbox) -> None:
    await register(client)
    tokens = tokens_in(await try_login(client, NEW))
    await change(client, bearer(tokens), "another@example.com")
    assert (await verify(client, await mailbox.token(NEW, "verify-email"))).status_code == 204
    assert not await is_logged_in(client, tokens)
    shown = await state(client, bearer(tokens_in(await try_login(client, NEW))))
    assert shown["verified_at"] is not None
    assert shown["pending"] == "another@example.com"


@contextmanager
def statements() -> Iterator[list[str]]:
    """What the database is asked."""
    asked: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        asked.append(statement)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    yield asked
    event.remove(engine, "before_cursor_execute", note)


@pytest.mark.usefixtures("discreet")
async def test_a_stranger_cannot_tell_a_free_address_from_a_taken_one(
    client: AsyncClient, session: AsyncSession, default_user: User, other_user: User
) -> None:
    default_user.email_verified_at = func.now()
    await session.commit()
    seen = []
    for number, email in enumerate([NEW, default_user.email, other_user.email]):
        stranger = client_at(f"203.0.113.{number}")
        body = {"email": email, "password": "a password of the stranger's"}
        with statements() as asked:
            responses = [await stranger.post("/users/register", json=body) for _ in range(2)]
            responses += [await try_login(stranger, email, body["password"]) for _ in range(14)]
        seen.append(([response.status_code for response in responses], asked))
    assert seen[0][0] == [201, 201] + [400] * 10 + [429] * 4
    assert seen[1:] == [seen[0]] * 2
    assert await known_clients(session) == 0, "or the limit of the account would tell"


@pytest.mark.parametrize("kind", ["required", "discreet"])
async def test_a_right_password_that_does_not_log_in_yet_is_audited(
    client: AsyncClient, session: AsyncSession, default_user: User, events: Events, kind: str
) -> None:
    with other_settings(**SETTINGS[kind]):
        await try_login(client, default_user.email)
        await try_login(client, default_user.email, "wrong")
    assert events() == [("password_accepted", str(default_user.id)), ("login_failed", str(default_user.id))]
