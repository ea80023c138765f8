"""Fixtures."""

import pytest
from httpx import AsyncClient

from app.features.passkeys.tests.authenticator import Authenticator
from app.features.passkeys.tests.helpers import register


@pytest.fixture
async def passkey(client: AsyncClient, default_user_headers: dict[str, str]) -> Authenticator:
    """A passkey of the default user."""
    passkey = Authenticator()
    await register(client, default_user_headers, passkey)
    return passkey
