"""What becomes of a passkey that was added before anybody had proved the address."""

from httpx import AsyncClient

from app.features.mail.tests.helpers import NEW, Mailbox, Stranger, recover, verify
from app.features.passkeys.tests.authenticator import Authenticator
from app.features.passkeys.tests.helpers import register, use


async def test_who_recovers_an_account_ends_the_strangers(client: AsyncClient, mailbox: Mailbox) -> None:
    stranger, passkey = Stranger(), Authenticator()
    await register(stranger.client, await stranger.move_in(), passkey)
    assert (await recover(client, mailbox)).status_code == 204
    assert (await use(client, passkey)).status_code == 400
    assert not await stranger.has_anything_left()
    assert "Set up your other ways to log in again" in await mailbox.subjects()


async def test_whoever_confirms_without_being_logged_in_ends_it(client: AsyncClient, mailbox: Mailbox) -> None:
    stranger, passkey = Stranger(), Authenticator()
    await register(stranger.client, await stranger.move_in(), passkey)
    assert (await verify(client, await mailbox.token(NEW, "verify-email"))).status_code == 204
    assert (await use(client, passkey)).status_code == 400
    assert await mailbox.subjects() == {"Set up your other ways to log in again": NEW}


async def test_an_owner_who_confirms_in_a_session_of_the_account_keeps_it(
    client: AsyncClient, mailbox: Mailbox
) -> None:
    owner, passkey = Stranger(), Authenticator()
    headers = await owner.move_in()
    await register(client, headers, passkey)
    assert (await verify(client, await mailbox.token(NEW, "verify-email"), headers)).status_code == 204
    assert (await use(client, passkey)).status_code == 200
    assert await mailbox.subjects() == {}
    assert (await recover(client, mailbox)).status_code == 204
    assert (await use(client, passkey)).status_code == 200, "who has the mailbox alone gets nobody's passkeys away"
