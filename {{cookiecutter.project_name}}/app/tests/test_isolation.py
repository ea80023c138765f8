"""No machine decides what a test sees: neither its .env, nor its shell, nor the folder that a test lies in."""

import asyncio
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import conftest
from app.core.config import PROJECT_DIR, loaded, settings

OWN_TEST = """
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
"""
# What a developer's .env may have.
OTHER = {
    "ENVIRONMENT": "production",
    "DOCS": "false",
    "PUBLIC_URL": "https://api.mycompany.com",
    "SECRET_KEY_FALLBACKS": "x" * 40,
    "REFRESH_TOKEN_LEEWAY": "0",
    "BACKEND_CORS_ORIGINS": "https://app.mycompany.com",
    "TRUSTED_PROXIES": "10.0.0.0/8",
    "TRACING": "true",
    "METRICS_PORT": "no port at all",
    "SECRET_KEI": "no setting at all",
    "LOG_LEVEL": "",
}


@pytest.fixture
def own_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=PROJECT_DIR, prefix="own-tests-") as folder:
        yield Path(folder)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("place", ["shell", ".env"])
async def test_a_test_runs_with_the_tests_settings_wherever_it_lies(own_folder: Path, place: str) -> None:
    example = (PROJECT_DIR / ".env.example").read_text(encoding="utf-8")
    names = re.findall(r"^(\w+)=", example, re.MULTILINE)
    # Another worker's database, as this one's is in use.
    environment = {name: value for name, value in os.environ.items() if name not in names} | {
        "PYTEST_XDIST_WORKER": "own",
        "API_PREFIX": settings.api_prefix,
    }
    urls = {"TEST_DATABASE_URL": os.environ["TEST_DATABASE_URL"], "DATABASE_URL": "postgresql://db.mycompany.com/app"}
    env_file = own_folder / ".env"
    if place == "shell":
        environment |= urls | dict.fromkeys(names, "nonsense") | OTHER | urls | {"API_PREFIX": settings.api_prefix}
        env_file.write_text("")
    else:
        env_file.write_text("\n".join(f"{name}={value}" for name, value in (OTHER | urls).items()))
    (own_folder / "test_own.py").write_text(OWN_TEST)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_own.py"),
        cwd=own_folder,
        env=environment | {"ENV_FILE": str(env_file)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert "5 passed" in output.decode()
    found = json.loads((own_folder / "settings.json").read_text())
    ours = {kind.__name__: json.loads(one.model_dump_json()) for kind, one in loaded.items()}
    for values in (found["Settings"], ours["Settings"]):
        values.pop("secret_key_fallbacks")  # the number of them is the same, and their values are hidden
    assert found == ours


@pytest.mark.parametrize(
    ("url", "other", "words"),
    [
        ("", "", "TEST_DATABASE_URL is not set: the tests need a database of their own"),
        ("postgresql://h:port/test", "", "TEST_DATABASE_URL: must look like postgresql://"),
        ("postgresql://u@h/app", "", "TEST_DATABASE_URL names the database 'app'"),
        ("postgresql://u@h/test", "mysql://h/test", "DATABASE_URL: must look like postgresql://"),
        ("postgresql://u@H/test", "postgresql+asyncpg://other@h:5432/test", "are one database"),
        ("postgresql://u@localhost/test", "postgresql://u@[::1]/test", "are one database"),
        ("postgresql://u@localhost/test", "postgresql://u@/test?host=/var/run/postgresql", "are one database"),
        ("postgresql://u@h/test", "postgresql://u@/test?host=g:5432&host=h:5432", "are one database"),
        ("postgresql://u@h/my%20test", "postgresql://u@h/my test", "are one database"),
        ("postgresql://u@127.0.0.1:1/test", "postgresql://u@h/test", "is unavailable at 127.0.0.1:1 ("),
    ],
)
def test_tests_refuse_a_database_that_is_not_theirs(
    monkeypatch: pytest.MonkeyPatch, url: str, other: str, words: str
) -> None:
    monkeypatch.setenv("TEST_DATABASE_URL", url)
    monkeypatch.setenv("DATABASE_URL", other)
    with pytest.raises(SystemExit) as exit_info:
        conftest.database_of_tests()
    assert words in str(exit_info.value)
