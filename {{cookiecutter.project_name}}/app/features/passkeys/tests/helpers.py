"""Requests that several test files send, and what comes back."""

import pytest
from httpx import AsyncClient, Response

from app.features.passkeys.tests.authenticator import Authenticator
from app.tests.helpers import Json

INVALID = (400, {"detail": "Invalid passkey"})
INVALID_LOGIN = (400, {"detail": "Invalid passkey", "error": "invalid_grant"})


async def options_for(client: AsyncClient, headers: dict[str, str]) -> Json:
    response = await client.post("/auth/passkeys/options", headers=headers)
    assert response.status_code == 200, response.text
    options: Json = response.json()
    return options


async def send(client: AsyncClient, headers: dict[str, str], credential: Json) -> Response:
    return await client.post("/auth/passkeys", json=credential, headers=headers)


async def register(client: AsyncClient, headers: dict[str, str], passkey: Authenticator, **members: str) -> Json:
    body = passkey.create(await options_for(client, headers), **members)
    response = await send(client, headers, body)
    assert response.status_code == 201, response.text
    registered: Json = response.json()
    return registered


async def login_options(client: AsyncClient) -> Json:
    response = await client.post("/auth/passkeys/login/options")
    assert response.status_code == 200
    options: Json = response.json()
    return options


async def use(client: AsyncClient, passkey: Authenticator, **members: str) -> Response:
    """Log in."""
    return await client.post("/auth/passkeys/login", json=passkey.get(await login_options(client), **members))


async def read(client: AsyncClient, headers: dict[str, str]) -> list[Json]:
    """The passkeys that an account lists."""
    response = await client.get("/auth/passkeys", headers=headers)
    assert response.status_code == 200
    passkeys: list[Json] = response.json()
    return passkeys


def audited(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str | None]]:
    """The events since the last call, each with its user."""
    events = [(r.message, getattr(r, "user_id", None)) for r in caplog.records if r.name == "app.audit"]
    caplog.clear()
    return events
