"""Whoever has stolen the password of a superuser who has a passkey, and has emails come to another address."""

import pytest
from httpx import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.features.mail.tests.helpers import Mailbox
from app.features.passkeys.models import Passkey
from app.features.superuser_factor.tests.helpers import has_rights
from app.models import User
from app.tests.helpers import PASSWORD, bearer, login

pytestmark = pytest.mark.usefixtures("required")


async def test_a_new_address_takes_no_passkey_away_and_gives_no_rights(
    client: AsyncClient, session: AsyncSession, mailbox: Mailbox, superuser: User
) -> None:
    """Nobody has verified the superuser's address, so the thief's would be the first that is."""
    session.add(Passkey(superuser.id, "phone", b"id", b"public key", 0))
    await session.commit()
    stolen = bearer(await login(client, superuser))
    body = {"email": "thief@example.com", "current_password": PASSWORD}
    response = await client.post("/users/me/email", json=body, headers=stolen)
    if response.status_code == 202:
        token = await mailbox.token("thief@example.com", "verify-email")
        await client.post("/auth/verify-email", json={"token": token})
    assert len((await session.scalars(select(Passkey.id))).all()) == 1
    assert (await client.post("/auth/passkeys/options", headers=stolen)).status_code in {401, 403}
    assert not await has_rights(client, stolen)
