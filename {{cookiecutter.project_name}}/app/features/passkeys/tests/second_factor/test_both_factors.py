"""Passkeys of accounts that have a second factor, too."""

import time

import pyotp
import pytest
from httpx import AsyncClient

from app.features.passkeys.tests.authenticator import Authenticator
from app.features.passkeys.tests.helpers import options_for, read, send, use
from app.models import User
from app.tests.helpers import PASSWORD, bearer, login, tokens_in, try_login

pytestmark = pytest.mark.usefixtures("one_moment")


async def set_up_app(client: AsyncClient, headers: dict[str, str]) -> pyotp.TOTP:
    """An authenticator app for this account."""
    response = await client.post("/auth/totp", headers=headers)
    assert response.status_code == 200
    app = pyotp.TOTP(response.json()["secret"])
    response = await client.post("/auth/totp/confirm", json={"code": app.at(int(time.time()))}, headers=headers)
    assert response.status_code == 200
    return app


async def test_a_passkey_asks_for_no_code(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str], passkey: Authenticator
) -> None:
    await set_up_app(client, default_user_headers)
    response = await try_login(client, default_user.email)
    assert response.json()["error"] == "mfa_required"
    headers = bearer(tokens_in(await use(client, passkey)))
    assert (await client.post("/auth/recovery-codes", headers=headers)).status_code == 200, "it is a recent login"


async def test_options_for_the_password_are_void_once_there_is_a_second_factor(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str]
) -> None:
    thief = bearer(await login(client, default_user))
    body = Authenticator().create(await options_for(client, thief))
    app = await set_up_app(client, default_user_headers)
    proof = {"password": PASSWORD}
    assert (await client.post("/auth/reauthenticate", json=proof, headers=thief)).status_code == 400
    response = await send(client, thief, body)
    assert (response.status_code, response.json()["error"]) == (401, "insufficient_user_authentication")
    assert await read(client, thief) == []
    proof = {"code": app.at(int(time.time()) + 30)}
    assert (await client.post("/auth/reauthenticate", json=proof, headers=thief)).status_code == 204
    assert (await send(client, thief, body)).status_code == 201, "with a code it is the owner"
