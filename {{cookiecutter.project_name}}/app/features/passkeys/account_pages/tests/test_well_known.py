"""Where password managers send people who want a passkey."""

from app.core.config import settings
from app.tests.other_settings import application_with


async def test_password_managers_learn_where_passkeys_are_managed() -> None:
    public_url = "https://api.example.com"
    async with application_with(PUBLIC_URL=public_url) as client:
        response = await client.get(client.base_url.join("/.well-known/passkey-endpoints"))
        page = f"{public_url}{settings.api_prefix}/account#passkeys"
        assert response.json() == {"enroll": page, "manage": page}
        assert "public" in response.headers["Cache-Control"]


async def test_without_the_pages_there_is_nowhere_to_send_them() -> None:
    async with application_with(PUBLIC_URL="https://api.example.com", ACCOUNT_PAGES="false") as client:
        assert (await client.get(client.base_url.join("/.well-known/passkey-endpoints"))).status_code == 404
