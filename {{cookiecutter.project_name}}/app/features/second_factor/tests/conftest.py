"""A second factor of the default user."""

import pytest
from httpx import AsyncClient

from app.features.second_factor.tests.helpers import Factor, set_up


@pytest.fixture
async def factor(one_moment: None, client: AsyncClient, default_user_headers: dict[str, str]) -> Factor:
    """The default user's authenticator app. No session of the default user is recent."""
    return await set_up(client, default_user_headers)
