
import json
from pathlib import Path

from fastapi.testclient import TestClient

from app.core.config import loaded, settings
from app.main import app

client = TestClient(app)
account = {"email": "eve@example.com", "password": "correct horse battery staple"}


def test_settings():
    values = {kind.__name__: json.loads(one.model_dump_json()) for kind, one in loaded.items()}
    (Path(__file__).parent / "settings.json").write_text(json.dumps(values))


def test_sync(empty_tables):
    assert client.post(f"{settings.api_prefix}/users/register", json=account).status_code == 201
    login = client.post(f"{settings.api_prefix}/auth/access-token", data={"username": account["email"]} | account)
    headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
    assert client.get(f"{settings.api_prefix}/users/me", headers=headers).json()["email"] == account["email"]


async def test_async(client, default_user_headers):
    assert (await client.get("/users/me", headers=default_user_headers)).status_code == 200


def test_sync_with_lifespan(default_user_headers):
    with TestClient(app) as client:
        assert client.get(f"{settings.api_prefix}/users/me", headers=default_user_headers).status_code == 200


async def test_async_again(client, default_user_headers):
    assert (await client.get("/users/me", headers=default_user_headers)).status_code == 200
