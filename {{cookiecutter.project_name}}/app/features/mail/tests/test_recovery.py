"""Forgotten passwords."""

import asyncio
import base64
import time
import uuid
from datetime import timedelta

import pytest
from httpx import AsyncClient, Response
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import settings
from app.features.mail.models import OutgoingMail
from app.features.mail.tests.helpers import Mailbox, text_of
from app.models import RateLimit, User
from app.tests.helpers import PASSWORD, bearer, begin, is_logged_in, login, try_login
from app.tests.other_settings import other_settings

NEW_PASSWORD = "a new and better one"
REFUSED = (400, {"detail": "Invalid or expired token"})


async def forget(client: AsyncClient, email: str) -> Response:
    return await client.post("/auth/forgot-password", json={"email": email})


async def recover(client: AsyncClient, token: str, new_password: str = NEW_PASSWORD) -> Response:
    return await client.post("/auth/recover-password", json={"token": token, "new_password": new_password})


async def token_for(client: AsyncClient, mailbox: Mailbox, user: User) -> str:
    assert (await forget(client, user.email)).status_code == 202
    return await mailbox.token(user.email, "recover-password")


async def test_who_forgot_a_password_sets_another_by_email(
    client: AsyncClient, session: AsyncSession, mailbox: Mailbox, default_user: User
) -> None:
    tokens = await begin(default_user)
    token = await token_for(client, mailbox, default_user)
    assert (await recover(client, token)).status_code == 204
    assert not await is_logged_in(client, tokens)
    assert (await try_login(client, default_user.email)).status_code == 400
    await login(client, default_user, NEW_PASSWORD)
    await session.refresh(default_user)
    assert default_user.email_verified_at is not None
    assert await mailbox.subjects() == {"Your password was changed": default_user.email}


async def test_the_response_is_the_same_for_every_address(
    client: AsyncClient, session: AsyncSession, mailbox: Mailbox, default_user: User, other_user: User
) -> None:
    other_user.is_active = False
    await session.commit()
    responses = [await forget(client, email) for email in (default_user.email, other_user.email, "no@example.com")]
    assert {(response.status_code, response.content) for response in responses} == {(202, b"null")}
    assert {frozenset(response.headers) for response in responses} == {frozenset(responses[0].headers)}
    assert await mailbox.subjects() == {"Choose a new password": default_user.email}
    assert (await session.scalars(select(OutgoingMail))).all() == []


async def test_the_email_goes_to_the_address_as_the_account_has_it(
    client: AsyncClient, mailbox: Mailbox, default_user: User
) -> None:
    await forget(client, "ANA@Example.COM")
    assert await mailbox.subjects() == {"Choose a new password": "ana@example.com"}


async def test_a_token_works_once(client: AsyncClient, mailbox: Mailbox, default_user: User) -> None:
    token = await token_for(client, mailbox, default_user)
    assert (await recover(client, token)).status_code == 204
    response = await recover(client, token, "yet another password")
    assert (response.status_code, response.json()) == REFUSED


async def test_of_five_uses_at_once_one_wins(client: AsyncClient, mailbox: Mailbox, default_user: User) -> None:
    token = await token_for(client, mailbox, default_user)
    passwords = [f"new password number {number}" for number in range(5)]
    responses = await asyncio.gather(*(recover(client, token, password) for password in passwords))
    assert sorted(response.status_code for response in responses) == [204] + [400] * 4
    (winner,) = [password for password, response in zip(passwords, responses, strict=True) if response.is_success]
    await login(client, default_user, winner)


async def test_a_new_password_ends_tokens_that_are_on_their_way(
    client: AsyncClient, mailbox: Mailbox, default_user: User
) -> None:
    token = await token_for(client, mailbox, default_user)
    await forget(client, default_user.email)  # and its mail is not sent yet
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    headers = bearer(await begin(default_user))
    assert (await client.post("/users/reset-password", json=body, headers=headers)).status_code == 204
    response = await recover(client, token, "yet another password")
    assert (response.status_code, response.json()) == REFUSED
    assert await mailbox.subjects() == {"Your password was changed": default_user.email}


async def test_a_token_lives_two_hours(
    client: AsyncClient, mailbox: Mailbox, default_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await token_for(client, mailbox, default_user)
    sent_at = time.time()
    # With its own address as the new password, a good token is a 422, and stays good.
    for age, status in ((timedelta(minutes=119), 422), (timedelta(minutes=121), 400)):
        monkeypatch.setattr(time, "time", lambda age=age: sent_at + age.total_seconds())
        assert (await recover(client, token, default_user.email)).status_code == status


async def test_strangers_who_ask_all_the_time_keep_no_owner_from_recovery(
    client: AsyncClient, session: AsyncSession, mailbox: Mailbox, default_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, real_time = timedelta(), time.time
    sent: list[tuple[str, timedelta]] = []
    for _ in range(16):
        for _ in range(4):
            assert (await forget(client, default_user.email)).status_code == 202
        mails = await mailbox.collect()
        sent += [(text_of(mail).partition("#token=")[2].split()[0], now) for mail in mails]
        good = 0
        for token, sent_at in sent:
            with monkeypatch.context() as patched:
                patched.setattr(time, "time", lambda age=now - sent_at: real_time() + age.total_seconds())
                good += (await recover(client, token, default_user.email)).status_code == 422
        assert good, f"nothing works after {now}"
        now += timedelta(minutes=15)
        await session.execute(update(RateLimit).values(resets_at=RateLimit.resets_at - timedelta(minutes=15)))
        await session.commit()
    assert len(sent) == 3 + 3, "and the mailbox is not flooded: three at once, and one an hour"


async def test_a_deactivation_ends_all_tokens(
    client: AsyncClient, mailbox: Mailbox, default_user: User, superuser_headers: dict[str, str]
) -> None:
    recovery = await token_for(client, mailbox, default_user)
    headers = bearer(await begin(default_user))
    await client.post("/auth/request-verification", headers=headers)
    verification = await mailbox.token(default_user.email, "verify-email")
    await forget(client, default_user.email)  # and its mail is not sent yet
    for is_active in (False, True):
        change = {"is_active": is_active}
        assert (await client.patch(f"/users/{default_user.id}", json=change, headers=superuser_headers)).is_success
    assert await mailbox.collect() == []
    assert (await recover(client, recovery)).status_code == 400
    assert (await client.post("/auth/verify-email", json={"token": verification})).status_code == 400
    assert (await recover(client, await token_for(client, mailbox, default_user))).status_code == 204


@pytest.mark.parametrize("token", ["", "x", "x" * 72, "\0", "é", "=" * 8, "A" * 72, "A" * 256])
async def test_a_token_that_nobody_made_is_refused(client: AsyncClient, token: str) -> None:
    response = await recover(client, token)
    assert (response.status_code, response.json()) == REFUSED


async def test_a_token_that_was_altered_is_refused(client: AsyncClient, mailbox: Mailbox, default_user: User) -> None:
    token = await token_for(client, mailbox, default_user)
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for position in range(len(raw)):
        altered = raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]
        assert (await recover(client, base64.urlsafe_b64encode(altered).decode())).status_code == 400
    assert (await recover(client, token)).status_code == 204


async def test_a_token_is_for_one_account(
    client: AsyncClient, mailbox: Mailbox, default_user: User, other_user: User
) -> None:
    token = await token_for(client, mailbox, default_user)
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for stolen in (other_user.id, uuid.uuid4()):
        altered = base64.urlsafe_b64encode(stolen.bytes + raw[16:]).decode()
        assert (await recover(client, altered)).status_code == 400


async def test_a_token_is_for_one_purpose(client: AsyncClient, mailbox: Mailbox, default_user: User) -> None:
    recovery = await token_for(client, mailbox, default_user)
    assert (await client.post("/auth/verify-email", json={"token": recovery})).status_code == 400
    await client.post("/auth/request-verification", headers=bearer(await begin(default_user)))
    verification = await mailbox.token(default_user.email, "verify-email")
    assert (await recover(client, verification)).status_code == 400
    assert (await recover(client, recovery)).status_code == 204


async def test_a_token_survives_the_rotation_of_the_key(
    client: AsyncClient, mailbox: Mailbox, default_user: User
) -> None:
    token = await token_for(client, mailbox, default_user)
    with other_settings(SECRET_KEY="y" * 40, SECRET_KEY_FALLBACKS=""):
        assert (await recover(client, token)).status_code == 400
    with other_settings(SECRET_KEY="y" * 40, SECRET_KEY_FALLBACKS=settings.secret_keys[0]):
        assert (await recover(client, token)).status_code == 204


async def test_an_account_that_was_closed_is_not_recovered(
    client: AsyncClient, session: AsyncSession, mailbox: Mailbox, default_user: User
) -> None:
    token = await token_for(client, mailbox, default_user)
    default_user.is_active = False
    await session.commit()
    assert (await recover(client, token)).status_code == 400


async def test_a_password_that_is_refused_spends_no_token(
    client: AsyncClient, mailbox: Mailbox, default_user: User
) -> None:
    token = await token_for(client, mailbox, default_user)
    for password in ("short", "password1", default_user.email):
        response = await recover(client, token, password)
        assert response.status_code == 422
        assert token not in response.text
    assert (await recover(client, token)).status_code == 204


async def test_nothing_in_the_database_is_a_token(
    client: AsyncClient, session: AsyncSession, mailbox: Mailbox, default_user: User
) -> None:
    await forget(client, default_user.email)
    rows = (await session.execute(text("SELECT row_to_json(outgoing_mails)::text FROM outgoing_mails"))).scalars()
    before = str(rows.all())
    token = await mailbox.token(default_user.email, "recover-password")
    assert "recovery" in before
    assert token not in before
    assert token[-40:] not in before


async def test_three_emails_an_hour_reach_a_mailbox(client: AsyncClient, mailbox: Mailbox, default_user: User) -> None:
    assert [(await forget(client, default_user.email)).status_code for _ in range(5)] == [202] * 5
    assert len(await mailbox.collect()) == 3
    assert [(await forget(client, default_user.email)).status_code for _ in range(2)] == [202] * 2
    assert await mailbox.collect() == []


async def test_a_client_that_asks_for_too_many_emails_is_refused_alike(
    client: AsyncClient, default_user: User, other_user: User
) -> None:
    emails = [f"nobody{number}@example.com" for number in range(30)]
    assert [(await forget(client, email)).status_code for email in emails] == [202] * 30
    refused = [await forget(client, email) for email in (default_user.email, "no@example.com")]
    assert [response.status_code for response in refused] == [429, 429]
    assert refused[0].json() == refused[1].json()
    assert (await try_login(client, default_user.email)).status_code == 200
