"""An authenticator app isn't the way around a superuser's passkey."""

import pytest
from httpx import AsyncClient

from app.features.passkeys.tests.authenticator import Authenticator
from app.features.passkeys.tests.helpers import register, use
from app.tests.helpers import Json, bearer, tokens_in
from app.tests.other_settings import other_settings


@pytest.mark.parametrize(
    ("path", "body", "done"), [("/auth/totp", None, 200), ("/auth/totp/confirm", {"code": "000000"}, 400)]
)
async def test_a_stolen_password_is_no_way_to_a_superusers_app(
    client: AsyncClient,
    superuser_headers: dict[str, str],
    path: str,
    body: Json | None,
    done: int,
) -> None:
    passkey = Authenticator()
    await register(client, superuser_headers, passkey)
    with other_settings(SUPERUSER_SECOND_FACTOR="required"):
        response = await client.post(path, json=body, headers=superuser_headers)
        assert (response.status_code, response.json()["detail"]) == (403, "Log in with more than a password to do this")
        own = bearer(tokens_in(await use(client, passkey)))
        assert (await client.post("/auth/totp", headers=own)).status_code == 200
        assert (await client.post(path, json=body, headers=own)).status_code == done
