"""What becomes of an authenticator app that was set up before anybody had proved the address."""

import pytest
from httpx import AsyncClient

from app.features.mail.tests.helpers import NEW, OWN_PASSWORD, Mailbox, Stranger, recover, verify
from app.features.second_factor.tests.helpers import set_up
from app.tests.helpers import bearer, tokens_in, try_login

pytestmark = pytest.mark.usefixtures("one_moment")


async def test_who_recovers_an_account_is_asked_for_no_code_of_the_strangers(
    client: AsyncClient, mailbox: Mailbox
) -> None:
    stranger = Stranger()
    await set_up(stranger.client, await stranger.move_in())
    assert (await recover(client, mailbox)).status_code == 204
    assert not await stranger.has_anything_left()
    headers = bearer(tokens_in(await try_login(client, NEW, OWN_PASSWORD)))
    assert (await client.get("/auth/second-factor", headers=headers)).json()["totp"] is False
    assert "Set up your other ways to log in again" in await mailbox.subjects()


async def test_whoever_confirms_without_being_logged_in_ends_it(client: AsyncClient, mailbox: Mailbox) -> None:
    stranger = Stranger()
    await set_up(stranger.client, await stranger.move_in())
    assert (await verify(client, await mailbox.token(NEW, "verify-email"))).status_code == 204
    assert (await try_login(client, NEW)).status_code == 200
    assert await mailbox.subjects() == {"Set up your other ways to log in again": NEW}


async def test_an_owner_who_confirms_in_a_session_of_the_account_keeps_it(
    client: AsyncClient, mailbox: Mailbox
) -> None:
    owner = Stranger()
    headers = await owner.move_in()
    await set_up(client, headers)
    assert (await verify(client, await mailbox.token(NEW, "verify-email"), headers)).status_code == 204
    assert (await try_login(client, NEW)).json()["error"] == "mfa_required"
    assert await mailbox.subjects() == {}
    # From now on a lost password gets nobody around the second factor.
    assert (await recover(client, mailbox)).status_code == 204
    assert (await try_login(client, NEW, OWN_PASSWORD)).json()["error"] == "mfa_required"
