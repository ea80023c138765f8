"""Verification and change of the e-mail address."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from httpx import AsyncClient
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.features.mail.models import OutgoingMail
from app.features.mail.tests.helpers import NEW, OWN_PASSWORD, Mailbox, change, register, state, text_of, verify
from app.features.mail.tokens import create_mail_token
from app.initial_data import create_first_superuser
from app.models import LoginSession, User
from app.tests.helpers import (
    PASSWORD,
    bearer,
    begin,
    client_at,
    is_logged_in,
    login,
    refresh,
    try_login,
    try_refresh,
    waiting_for_locks,
)
from app.tests.other_settings import application_with, other_settings

VERIFY = "Confirm your email address"
NOT_VERIFIED = {"detail": "Email address not verified", "error": "email_not_verified"}


async def test_who_registers_verifies_the_address(client: AsyncClient, mailbox: Mailbox) -> None:
    assert (await register(client)).status_code == 201
    headers = bearer((await try_login(client, NEW)).json())
    assert await state(client, headers) == {"email": NEW, "verified_at": None, "pending": None}
    token = await mailbox.token(NEW, "verify-email")
    assert (await verify(client, token, headers)).status_code == 204
    assert (await state(client, headers))["verified_at"] is not None
    assert (await verify(client, token)).status_code == 400


async def test_verification_can_be_asked_for_again_until_it_is_done(
    client: AsyncClient, mailbox: Mailbox, default_user: User, default_user_headers: dict[str, str]
) -> None:
    ask = "/auth/request-verification"
    assert (await client.post(ask, headers=default_user_headers)).status_code == 202
    token = await mailbox.token(default_user.email, "verify-email")
    assert (await verify(client, token, default_user_headers)).status_code == 204
    assert (await client.post(ask, headers=default_user_headers)).status_code == 202
    assert await mailbox.collect() == []


@pytest.mark.usefixtures("verification_required")
async def test_where_it_is_required_nobody_logs_in_before(client: AsyncClient, mailbox: Mailbox) -> None:
    await register(client)
    token = await mailbox.token(NEW, "verify-email")
    response = await try_login(client, NEW)
    assert (response.status_code, response.json()) == (403, NOT_VERIFIED)
    assert (await try_login(client, NEW, "wrong")).json()["detail"] == "Incorrect email or password"
    assert await mailbox.subjects() == {VERIFY: NEW}  # another one, as the first may be lost
    assert (await verify(client, token)).status_code == 204
    assert (await try_login(client, NEW)).status_code == 200


@pytest.mark.usefixtures("verification_required")
async def test_a_recovered_account_is_verified(client: AsyncClient, mailbox: Mailbox) -> None:
    await register(client)
    await mailbox.collect()
    await client.post("/auth/forgot-password", json={"email": NEW})
    body = {"token": await mailbox.token(NEW, "recover-password"), "new_password": "a new and better one"}
    assert (await client.post("/auth/recover-password", json=body)).status_code == 204
    assert (await try_login(client, NEW, "a new and better one")).status_code == 200


@pytest.mark.usefixtures("verification_required")
async def test_the_first_superuser_counts_as_verified(client: AsyncClient) -> None:
    await create_first_superuser()
    assert (await try_login(client, "root@example.com", "first superuser's password")).status_code == 200


async def test_superusers_see_who_is_verified(
    client: AsyncClient, mailbox: Mailbox, superuser_headers: dict[str, str]
) -> None:
    path = f"/users/{(await register(client)).json()['id']}"
    assert (await client.get(path, headers=superuser_headers)).json()["email_verified_at"] is None
    await verify(client, await mailbox.token(NEW, "verify-email"))
    assert (await client.get(path, headers=superuser_headers)).json()["email_verified_at"] is not None


async def test_a_new_address_counts_once_it_is_proved(
    client: AsyncClient, mailbox: Mailbox, default_user: User, default_user_headers: dict[str, str]
) -> None:
    assert (await change(client, default_user_headers, NEW)).status_code == 202
    assert await state(client, default_user_headers) == {
        "email": default_user.email,
        "verified_at": None,
        "pending": NEW,
    }
    mails = {mail["To"]: mail for mail in await mailbox.collect()}
    assert mails[default_user.email]["Subject"] == "Your email address is about to change"
    token = text_of(mails[NEW]).partition("#token=")[2].split()[0]
    assert (await try_login(client, default_user.email)).status_code == 200
    assert (await verify(client, token)).status_code == 204
    assert (await verify(client, token)).status_code == 400
    assert (await client.get("/users/me", headers=default_user_headers)).json()["email"] == NEW
    shown = await state(client, default_user_headers)
    assert shown["verified_at"] is not None
    assert shown["pending"] is None
    assert (await try_login(client, default_user.email)).status_code == 400
    assert (await try_login(client, NEW)).status_code == 200
    assert await mailbox.subjects() == {"Your email address was changed": default_user.email}


async def test_a_change_of_address_needs_the_password(
    client: AsyncClient, mailbox: Mailbox, default_user_headers: dict[str, str]
) -> None:
    response = await change(client, default_user_headers, NEW, "wrong")
    assert (response.status_code, response.json()) == (400, {"detail": "Incorrect password"})
    assert await mailbox.collect() == []


async def test_a_taken_address_gets_the_same_response_and_no_email(
    client: AsyncClient,
    mailbox: Mailbox,
    default_user: User,
    default_user_headers: dict[str, str],
    other_user: User,
) -> None:
    responses = [await change(client, default_user_headers, email) for email in (NEW, other_user.email)]
    assert {(response.status_code, response.content) for response in responses} == {(202, b"null")}
    assert (await state(client, default_user_headers))["pending"] == other_user.email
    assert {mail["To"] for mail in await mailbox.collect()} == {default_user.email}


async def test_an_address_that_was_taken_meanwhile_is_refused(
    client: AsyncClient, mailbox: Mailbox, default_user_headers: dict[str, str]
) -> None:
    await change(client, default_user_headers, NEW)
    token = await mailbox.token(NEW, "verify-email")
    assert (await register(client)).status_code == 201
    assert (await verify(client, token)).status_code == 400


async def test_the_last_address_asked_for_is_the_one_that_can_be_proved(
    client: AsyncClient, mailbox: Mailbox, default_user_headers: dict[str, str]
) -> None:
    await change(client, default_user_headers, NEW)
    first = await mailbox.token(NEW, "verify-email")
    await change(client, default_user_headers, "newer@example.com")
    assert (await verify(client, first)).status_code == 400
    assert (await verify(client, await mailbox.token("newer@example.com", "verify-email"))).status_code == 204


async def test_a_new_password_stops_a_change_of_address(
    client: AsyncClient, mailbox: Mailbox, default_user: User, default_user_headers: dict[str, str]
) -> None:
    await change(client, default_user_headers, NEW)
    token = await mailbox.token(NEW, "verify-email")
    body = {"current_password": PASSWORD, "new_password": "a new and better one"}
    await client.post("/users/reset-password", json=body, headers=default_user_headers)
    assert (await verify(client, token)).status_code == 400
    headers = bearer(await login(client, default_user, "a new and better one"))
    assert (await state(client, headers))["pending"] is None


@pytest.mark.parametrize("changed", [User.password_changed_at, User.factors_changed_at])
async def test_a_password_or_factor_that_changes_meanwhile_stops_a_change_of_address(
    client: AsyncClient,
    session: AsyncSession,
    mailbox: Mailbox,
    default_user: User,
    default_user_headers: dict[str, str],
    changed: InstrumentedAttribute[datetime | None],
) -> None:
    """Whoever is shut out by it may have sent the request, with the password that was right until then."""
    await session.execute(select(User.id).where(User.id == default_user.id).with_for_update())
    asked = asyncio.create_task(change(client, default_user_headers, NEW))
    await waiting_for_locks(1)
    await session.execute(update(User).values({changed: func.now()}))
    await session.commit()
    assert (await asked).status_code == 400
    assert await mailbox.collect() == []


async def test_a_recovery_stops_a_change_of_address(
    client: AsyncClient, mailbox: Mailbox, default_user: User, default_user_headers: dict[str, str]
) -> None:
    await change(client, default_user_headers, NEW)
    token = await mailbox.token(NEW, "verify-email")
    await client.post("/auth/forgot-password", json={"email": default_user.email})
    recovery = {"token": await mailbox.token(default_user.email, "recover-password"), "new_password": OWN_PASSWORD}
    assert (await client.post("/auth/recover-password", json=recovery)).status_code == 204
    assert (await verify(client, token)).status_code == 400
    headers = bearer(await login(client, default_user, OWN_PASSWORD))
    assert (await state(client, headers))["pending"] is None


async def test_a_new_address_ends_tokens_for_the_old_one(
    client: AsyncClient,
    session: AsyncSession,
    mailbox: Mailbox,
    default_user: User,
    default_user_headers: dict[str, str],
) -> None:
    default_user.email_verified_at = default_user.created_at
    await session.commit()
    await client.post("/auth/forgot-password", json={"email": default_user.email})
    recovery = await mailbox.token(default_user.email, "recover-password")
    await change(client, default_user_headers, NEW)
    await verify(client, await mailbox.token(NEW, "verify-email"))
    body = {"token": recovery, "new_password": "a new and better one"}
    assert (await client.post("/auth/recover-password", json=body)).status_code == 400


async def test_a_verification_ends_no_token_of_another_kind(client: AsyncClient, mailbox: Mailbox) -> None:
    await register(client)
    verification = await mailbox.token(NEW, "verify-email")
    headers = bearer((await try_login(client, NEW)).json())
    await client.post("/auth/request-verification", headers=headers)
    another_verification = await mailbox.token(NEW, "verify-email")
    await change(client, headers, "newer@example.com")
    email_change = await mailbox.token("newer@example.com", "verify-email")
    await client.post("/auth/forgot-password", json={"email": NEW})
    recovery = await mailbox.token(NEW, "recover-password")
    assert (await verify(client, verification)).status_code == 204
    assert (await verify(client, another_verification)).status_code == 400
    # With its own address as the new password, a good token is a 422, and stays good.
    recover = {"token": recovery, "new_password": NEW}
    assert (await client.post("/auth/recover-password", json=recover)).status_code == 422
    assert (await verify(client, email_change)).status_code == 204
    assert (await client.post("/auth/recover-password", json=recover)).status_code == 400
    assert (await try_login(client, "newer@example.com")).status_code == 200


async def test_a_forged_token_waits_for_nobody_who_changes_the_account(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    forged = create_mail_token("recovery", default_user, datetime.now(UTC) + timedelta(hours=1))
    await session.execute(select(User).with_for_update())
    for path, body in (
        ("/auth/verify-email", {"token": forged}),
        ("/auth/recover-password", {"token": forged[:-1], "new_password": "a new and better one"}),
    ):
        assert (await client.post(path, json=body)).status_code == 400


async def test_of_two_verifications_at_once_one_wins(
    client: AsyncClient, mailbox: Mailbox, default_user_headers: dict[str, str]
) -> None:
    await change(client, default_user_headers, NEW)
    token = await mailbox.token(NEW, "verify-email")
    responses = await asyncio.gather(*(verify(client, token) for _ in range(4)))
    assert sorted(response.status_code for response in responses) == [204, 400, 400, 400]
    assert await mailbox.subjects() == {"Your email address was changed": "ana@example.com"}


async def test_an_account_asks_for_ten_emails_and_then_has_to_wait(
    client: AsyncClient, default_user_headers: dict[str, str], other_user: User
) -> None:
    ask = "/auth/request-verification"
    clients = [client_at(f"198.51.100.{number}") for number in range(11)]
    statuses = [(await one.post(ask, headers=default_user_headers)).status_code for one in clients]
    assert statuses == [202] * 10 + [429]
    assert (await client.post(ask, headers=bearer(await begin(other_user)))).status_code == 202


async def test_the_owner_hears_of_a_spent_refresh_token_that_came_back(
    client: AsyncClient, session: AsyncSession, mailbox: Mailbox, default_user: User
) -> None:
    first = await begin(default_user)
    await refresh(client, first)
    await session.execute(update(LoginSession).values(last_used_at=LoginSession.last_used_at - timedelta(seconds=300)))
    await session.commit()
    for _ in range(2):
        assert (await try_refresh(client, first["refresh_token"])).status_code == 400
    assert not await is_logged_in(client, first)
    (mail,) = await mailbox.collect()
    assert (mail["Subject"], mail["To"]) == ("You were logged out for your safety", default_user.email)


async def test_discreet_registration_tells_only_the_owner(
    client: AsyncClient, session: AsyncSession, mailbox: Mailbox, default_user: User
) -> None:
    default_user.email_verified_at = func.now()
    await session.commit()
    with other_settings(EMAIL_VERIFICATION="required", REGISTRATION="discreet"):
        new, taken = await register(client), await register(client, default_user.email)
        assert (new.status_code, taken.status_code) == (201, 201)
        assert [set(response.json()) for response in (new, taken)] == [{"id", "email"}] * 2
        assert await mailbox.subjects() == {VERIFY: NEW, "You already have an account": default_user.email}
        # Who typed the password a minute ago is not to learn by it either which of the two was new.
        logins = [await try_login(client, NEW, PASSWORD), await try_login(client, default_user.email, "another")]
        assert {(response.status_code, response.content) for response in logins} == {
            (400, b'{"detail":"Incorrect email or password","error":"invalid_grant"}')
        }
    assert await session.scalar(select(func.count()).select_from(User)) == 2


async def test_a_deleted_account_gets_no_email(
    client: AsyncClient, session: AsyncSession, mailbox: Mailbox, default_user: User
) -> None:
    await client.post("/auth/forgot-password", json={"email": default_user.email})
    await client.post("/auth/request-verification", headers=bearer(await begin(default_user)))
    await session.execute(delete(User))
    await session.commit()
    assert await mailbox.collect() == []
    assert (await session.scalars(select(OutgoingMail))).all() == []


async def test_without_email_none_of_it_is_there(session: AsyncSession) -> None:
    async with application_with(MAIL_URL=None) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        assert not [path for path in paths if "email" in path or "forgot" in path or "recover-" in path]
        for path in ("/auth/forgot-password", "/auth/recover-password", "/users/me/email"):
            assert (await client.post(path, json={})).status_code in {404, 405}
        assert (await register(client)).status_code == 201
        headers = bearer((await try_login(client, NEW)).json())
        body = {"current_password": PASSWORD, "new_password": "a new and better one"}
        assert (await client.post("/users/reset-password", json=body, headers=headers)).status_code == 204
    assert (await session.scalars(select(OutgoingMail))).all() == []
