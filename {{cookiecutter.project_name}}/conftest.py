"""Gives every test under this folder, wherever it lies, settings and a database of the tests.

From the machine's .env and shell, tests get the URLs of both databases and API_PREFIX; they pass with any prefix.
Each `settings.env` beside tests sets what those tests expect; all other settings have their defaults.
"""

import asyncio
import os
import re
import secrets
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

from app.core.database_url import address, given, is_same, renamed, to_asyncpg_url, why_refused

PROJECT = Path(__file__).resolve().parent
ENV_FILE = Path(os.environ.get("ENV_FILE", PROJECT / ".env"))


def database_of_tests() -> str:
    """The URL of the database that the tests may write to; they delete everything in it."""
    try:
        text, other = given("TEST_DATABASE_URL", ENV_FILE), given("DATABASE_URL", ENV_FILE)
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f".env can't be read, which must be UTF-8 and open to this user: {error}")
    if not text:
        sys.exit("TEST_DATABASE_URL is not set: the tests need a database of their own. `make test` sets one up.")
    try:
        url = to_asyncpg_url(text)
    except ValueError as error:
        sys.exit(f"TEST_DATABASE_URL: {error}")
    if "test" not in str(url.database):
        sys.exit(
            f"TEST_DATABASE_URL names the database {url.database!r}: the tests only use one with `test` in its name."
        )
    try:
        if other and is_same(url, to_asyncpg_url(other)):
            sys.exit("TEST_DATABASE_URL and DATABASE_URL are one database: the tests would delete everything in it.")
    except ValueError as error:
        sys.exit(f"DATABASE_URL: {error}")
    if reason := asyncio.run(why_refused(url)):
        sys.exit(f"TEST_DATABASE_URL is unavailable at {address(url)} ({reason}). `make test` starts it.")
    worker = os.environ.get("PYTEST_XDIST_WORKER")  # each worker has its own database
    return renamed(text, f"{url.database}_{worker}") if worker else text


if "app.core.config" in sys.modules:
    sys.exit("The application was imported before its tests, which would now empty the database at DATABASE_URL.")

_url, _api_prefix = database_of_tests(), os.environ.get("API_PREFIX", "")
# .env.example names every setting, as a test ensures.
_names = re.findall(r"^(\w+)=", (PROJECT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
for _name in [name for name in os.environ if name.upper() in _names]:
    del os.environ[_name]
for _file in sorted(PROJECT.glob("app/**/settings.env")):
    os.environ.update({name: value or "" for name, value in dotenv_values(_file).items()})
os.environ.update(
    ENV_FILE=os.devnull,
    ENVIRONMENT="test",
    API_PREFIX=_api_prefix,
    TEST_DATABASE_URL=_url,
    SECRET_KEY=secrets.token_urlsafe(48),
    SECRET_KEY_FALLBACKS=f"{secrets.token_urlsafe(48)},{secrets.token_urlsafe(48)}",
)


def pytest_configure(config: pytest.Config) -> None:
    """Load the application and the fixtures, but not in a process that only starts the workers (pytest -n 2)."""
    if not config.getoption("numprocesses", None) or hasattr(config, "workerinput"):
        for plugin in ("app.tests.database", "app.tests.fixtures"):  # in this order
            config.pluginmanager.import_plugin(plugin)
