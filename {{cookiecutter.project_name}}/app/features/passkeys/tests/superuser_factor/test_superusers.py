"""Passkeys of superusers, where a superuser's rights need more than a password."""

import uuid

import pytest
from httpx import AsyncClient

from app.features.passkeys.tests.authenticator import Authenticator
from app.features.passkeys.tests.helpers import options_for, register, send, use
from app.models import User
from app.tests.helpers import bearer, login, tokens_in
from app.tests.other_settings import other_settings

REFUSED = (403, {"detail": "Log in with more than a password to do this"})


async def test_a_passkey_gives_superusers_their_rights(client: AsyncClient, superuser_headers: dict[str, str]) -> None:
    passkey = Authenticator()
    await register(client, superuser_headers, passkey)
    with other_settings(SUPERUSER_SECOND_FACTOR="required"):
        assert (await client.get("/users", headers=superuser_headers)).status_code == 403
        tokens = tokens_in(await use(client, passkey))
        assert (await client.get("/users", headers=bearer(tokens))).status_code == 200


@pytest.mark.parametrize(
    "call",
    [("POST", "/auth/passkeys/options", 200), ("DELETE", f"/auth/passkeys/{uuid.UUID(int=0)}", 404)],
)
async def test_a_stolen_password_is_no_way_to_a_superusers_passkeys(
    client: AsyncClient,
    superuser_headers: dict[str, str],
    default_user_headers: dict[str, str],
    call: tuple[str, str, int],
) -> None:
    (method, path, done), passkey = call, Authenticator()
    await register(client, superuser_headers, passkey)
    await register(client, default_user_headers, Authenticator())
    with other_settings(SUPERUSER_SECOND_FACTOR="required"):
        response = await client.request(method, path, headers=superuser_headers)
        assert (response.status_code, response.json()) == REFUSED
        own = bearer(tokens_in(await use(client, passkey)))
        for headers in (own, default_user_headers):
            assert (await client.request(method, path, headers=headers)).status_code == done
    assert (await client.request(method, path, headers=superuser_headers)).status_code == done


async def test_a_superuser_without_a_passkey_begins_with_the_password(
    client: AsyncClient, superuser_headers: dict[str, str]
) -> None:
    with other_settings(SUPERUSER_SECOND_FACTOR="required"):
        await register(client, superuser_headers, Authenticator())


async def test_options_asked_for_earlier_are_no_way_either(
    client: AsyncClient, superuser: User, superuser_headers: dict[str, str]
) -> None:
    stolen = bearer(await login(client, superuser))
    body = Authenticator().create(await options_for(client, stolen))
    await register(client, superuser_headers, Authenticator())
    with other_settings(SUPERUSER_SECOND_FACTOR="required"):
        response = await send(client, stolen, body)
        assert (response.status_code, response.json()) == REFUSED
    assert (await send(client, stolen, body)).status_code == 201
