"""Registering, using and removing passkeys."""

from httpx import AsyncClient

from app.models import User
from app.tests.authenticator import Authenticator
from app.tests.helpers import Json, bearer, begin, is_logged_in, tokens_in


async def register(client: AsyncClient, headers: dict[str, str], passkey: Authenticator, **members: str) -> Json:
    options = (await client.post("/auth/passkeys/options", headers=headers)).json()
    response = await client.post("/auth/passkeys", json=passkey.create(options, **members), headers=headers)
    assert response.status_code == 201, response.text
    registered: Json = response.json()
    return registered


async def login_options(client: AsyncClient) -> Json:
    response = await client.post("/auth/passkeys/login/options")
    assert response.status_code == 200
    options: Json = response.json()
    return options


async def test_a_passkey_logs_in_without_a_name(client: AsyncClient, default_user: User) -> None:
    passkey = Authenticator()
    headers = bearer(await begin(default_user))
    await register(client, headers, passkey)
    response = await client.post("/auth/passkeys/login", json=passkey.get(await login_options(client)))
    tokens = tokens_in(response)
    assert await is_logged_in(client, tokens)
