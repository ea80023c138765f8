"""What owners are told of their second factors."""

import pytest
from httpx import AsyncClient

from app.features.mail.tests.helpers import Mailbox
from app.features.second_factor.tests.helpers import answer, log_in, mfa_token, set_up
from app.models import User
from app.tests.helpers import client_at

pytestmark = pytest.mark.usefixtures("one_moment")


async def test_owners_are_told_when_a_second_factor_comes_or_goes(
    client: AsyncClient,
    mailbox: Mailbox,
    default_user: User,
    default_user_headers: dict[str, str],
    superuser_headers: dict[str, str],
) -> None:
    factor = await set_up(client, default_user_headers)
    assert await mailbox.subjects() == {"A second factor was added": default_user.email}
    recent = await log_in(client, default_user, factor.code())
    for _ in range(2):  # the second time in vain
        await client.delete("/auth/totp", headers=recent)
    assert await mailbox.subjects() == {"A second factor was removed": default_user.email}
    await set_up(client, recent)
    await mailbox.collect()
    await client.delete(f"/users/{default_user.id}/second-factor", headers=superuser_headers)
    assert await mailbox.subjects() == {"A second factor was removed": default_user.email}


async def test_owners_are_told_once_an_hour_that_somebody_guesses_codes(
    client: AsyncClient, mailbox: Mailbox, default_user: User, default_user_headers: dict[str, str]
) -> None:
    await set_up(client, default_user_headers)
    await mailbox.collect()
    token = await mfa_token(client, default_user)
    for _ in range(5):
        await answer(client, token, "000000")
    assert await mailbox.subjects() == {}, "anybody may mistype a code"
    for number in range(5):
        await answer(client, token, "000000")
        await answer(client_at(f"203.0.113.{number}"), token, "000000")
    assert await mailbox.subjects() == {"Too many wrong codes": default_user.email}


async def test_an_mfa_token_recovers_no_password(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str]
) -> None:
    await set_up(client, default_user_headers)
    body = {"token": await mfa_token(client, default_user), "new_password": "a new and better one"}
    assert (await client.post("/auth/recover-password", json=body)).status_code == 400
