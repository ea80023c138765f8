"""A passkey and a linked login are each enough: one of them may go."""

from httpx import AsyncClient

from app.features.passkeys.tests.authenticator import Authenticator
from app.features.passkeys.tests.helpers import register
from app.features.sign_in.tests.helpers import headers_of, sign_in
from app.features.sign_in.tests.provider import FakeProvider


async def test_the_last_of_a_passkey_and_a_linked_login_stays(client: AsyncClient, company: FakeProvider) -> None:
    await sign_in(client, company)
    headers = await headers_of(client)
    passkey = f"/auth/passkeys/{(await register(client, headers, Authenticator()))['id']}"
    (identity,) = (await client.get("/auth/identities", headers=headers)).json()
    assert (await client.delete(f"/auth/identities/{identity['id']}", headers=headers)).status_code == 204
    response = await client.delete(passkey, headers=headers)
    assert (response.status_code, response.json()["detail"]) == (409, "This is the only way to log in to the account")
    assert len((await client.get("/auth/passkeys", headers=headers)).json()) == 1
