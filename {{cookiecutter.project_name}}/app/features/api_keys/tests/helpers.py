"""Keys, as tests make and use them."""

import base64
import uuid
import zlib

from httpx import AsyncClient, Response

from app.features.api_keys.keys import PREFIX
from app.models import User
from app.tests.helpers import Json, bearer, begin

INVALID_CLIENT = (401, {"detail": "Invalid client id or secret", "error": "invalid_client"})


async def create(client: AsyncClient, headers: dict[str, str], **body: object) -> Response:
    return await client.post("/auth/api-keys", json={"name": "CI"} | body, headers=headers)


async def created(client: AsyncClient, headers: dict[str, str], **body: object) -> Json:
    response = await create(client, headers, **body)
    assert response.status_code == 201, response.text
    key: Json = response.json()
    return key


async def key_of(client: AsyncClient, user: User, **body: object) -> Json:
    """A key that the user makes in a new session."""
    return await created(client, bearer(await begin(user)), **body)


def by_key(key: Json) -> dict[str, str]:
    return {"Authorization": f"Bearer {key['key']}"}


async def status_of(client: AsyncClient, headers: dict[str, str], path: str = "/users/me") -> int:
    return (await client.get(path, headers=headers)).status_code


def forged(key_id: uuid.UUID | None = None, secret: str = "0" * 40) -> dict[str, str]:
    """A key that looks right, its checksum written down anew: the tests must not trust what they test."""
    text = f"{PREFIX}_{(key_id or uuid.uuid4()).hex}_{secret}"
    return {"Authorization": f"Bearer {text}_{zlib.crc32(text.encode()):08x}"}


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


async def exchange(client: AsyncClient, headers: dict[str, str] | None = None, **form: str) -> Response:
    data = {"grant_type": "client_credentials"} | form
    return await client.post("/auth/access-token", data=data, headers=headers)


async def token_of(client: AsyncClient, key: Json, **form: str) -> dict[str, str]:
    """The headers of a token that the key was exchanged for."""
    response = await exchange(client, basic(key["id"], key["key"]), **form)
    assert response.status_code == 200, response.text
    return bearer(response.json())
