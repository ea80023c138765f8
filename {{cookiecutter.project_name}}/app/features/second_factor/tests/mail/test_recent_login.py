"""A change of the address, where a second factor is set up."""

import pytest
from httpx import AsyncClient

from app.features.mail.tests.helpers import Mailbox
from app.features.second_factor.tests.helpers import reauthenticate, set_up
from app.models import User
from app.tests.helpers import PASSWORD

pytestmark = pytest.mark.usefixtures("one_moment")


async def test_a_change_of_the_address_wants_a_recent_code(
    client: AsyncClient, mailbox: Mailbox, default_user: User, default_user_headers: dict[str, str]
) -> None:
    factor = await set_up(client, default_user_headers)
    await mailbox.collect()
    body = {"email": "new@example.com", "current_password": PASSWORD}
    response = await client.post("/users/me/email", json=body, headers=default_user_headers)
    assert (response.status_code, response.json()["error"]) == (401, "insufficient_user_authentication")
    assert await mailbox.collect() == []
    assert (await reauthenticate(client, default_user_headers, code=factor.code())).status_code == 204
    assert (await client.post("/users/me/email", json=body, headers=default_user_headers)).status_code == 202
    assert len(await mailbox.collect()) == 2
