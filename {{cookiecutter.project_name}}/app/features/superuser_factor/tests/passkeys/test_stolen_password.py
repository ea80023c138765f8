"""Whoever has stolen the password of a superuser who has a passkey."""

import pytest
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.features.passkeys.models import Passkey
from app.features.superuser_factor.tests.helpers import begin_with, has_rights
from app.models import User
from app.tests.helpers import PASSWORD, bearer, login, refresh

pytestmark = pytest.mark.usefixtures("required")


async def test_neither_a_refresh_nor_a_re_authentication_adds_a_passkey(
    client: AsyncClient, session: AsyncSession, superuser: User
) -> None:
    session.add(Passkey(superuser.id, "phone", b"id", b"public key", 0))
    await session.commit()
    stolen = await refresh(client, await login(client, superuser))
    proof = {"password": PASSWORD}
    assert (await client.post("/auth/reauthenticate", json=proof, headers=bearer(stolen))).status_code == 204
    for headers in (bearer(stolen), bearer(await refresh(client, stolen))):
        assert (await client.post("/auth/passkeys/options", headers=headers)).status_code == 403
        assert not await has_rights(client, headers)
    own = bearer(await begin_with("passkey", superuser))
    assert (await client.post("/auth/passkeys/options", headers=own)).status_code == 200
    assert await has_rights(client, own)
