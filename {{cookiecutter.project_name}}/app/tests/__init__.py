"""The tests. This file sets the settings they run with, before anything imports the application.

Every setting gets a fixed value, so that no developer's .env decides whether a test passes. Only API_PREFIX is left
alone: the tests pass with any prefix.
"""

import os
import secrets
import socket
import sys
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError


class _Urls(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=Path(__file__).resolve().parents[2] / ".env", env_ignore_empty=True, extra="ignore"
    )
    database_url: str = ""
    test_database_url: str = ""


def _place(url: URL) -> tuple[str | None, int, str | None]:
    host = "127.0.0.1" if url.host in {"localhost", "::1"} else url.host
    return host, url.port or 5432, url.database


def _test_database() -> URL:
    """Return the database that the tests may write to; they delete everything in it."""
    try:
        urls = _Urls()
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f".env can't be read, which must be UTF-8 and open to this user: {error}")
    try:
        url = make_url(urls.test_database_url)
    except (ArgumentError, ValueError):  # ValueError: the port is not a number
        sys.exit("TEST_DATABASE_URL is not set: the tests need a database of their own. `make test` sets one up.")
    if "test" not in (url.database or ""):
        sys.exit(
            f"TEST_DATABASE_URL names the database {url.database!r}: the tests only use one with `test` in its name."
        )
    if urls.database_url and _place(make_url(urls.database_url)) == _place(url):
        sys.exit("TEST_DATABASE_URL and DATABASE_URL are the same database: the tests would delete everything in it.")
    try:
        socket.create_connection((url.host, url.port or 5432), timeout=5).close()
    except OSError as error:
        sys.exit(
            f"TEST_DATABASE_URL: nothing answers at {url.host}:{url.port or 5432} ({error}). `make test` starts it."
        )
    worker = os.environ.get("PYTEST_XDIST_WORKER")  # each worker has its own database
    return url.set(database=f"{url.database}_{worker}") if worker else url


if "app.core.config" in sys.modules:
    sys.exit("The application was imported before its tests, which would now empty the database at DATABASE_URL.")

os.environ.update(
    ENVIRONMENT="test",
    LOG_LEVEL="WARNING",
    TEST_DATABASE_URL=_test_database().render_as_string(hide_password=False),
    SECRET_KEY=secrets.token_urlsafe(48),
    SECRET_KEY_FALLBACKS=f"{secrets.token_urlsafe(48)},{secrets.token_urlsafe(48)}",
    JWT_PRIVATE_KEY="",
    JWT_PRIVATE_KEY_FALLBACKS="",
    PUBLIC_URL="",
    ACCESS_TOKEN_EXPIRE_MINUTES="15",
    REFRESH_TOKEN_EXPIRE_MINUTES="40320",
    REFRESH_TOKEN_LEEWAY="300",
    SECURITY_BCRYPT_ROUNDS="4",
    DATABASE_POOL_SIZE="5",
    # A busy machine is slow: no request of a test waits too long, unless the test says so.
    DATABASE_POOL_TIMEOUT="120",
    DATABASE_CONNECT_TIMEOUT="120",
    DATABASE_STATEMENT_TIMEOUT="120",
    DATABASE_LOCK_TIMEOUT="120",
    DATABASE_IDLE_IN_TRANSACTION_TIMEOUT="240",
    ALLOWED_HOSTS="api.example.com",
    BACKEND_CORS_ORIGINS="https://app.example.com",
    TRUSTED_PROXIES="192.0.2.1",
    MAIL_URL="smtp://127.0.0.1:9",
    MAIL_FROM="no-reply@example.com",
    FRONTEND_URL="https://app.example.com",
    EMAIL_VERIFICATION="optional",
    REGISTRATION="open",
    SUPERUSER_SECOND_FACTOR="optional",
    PASSKEY_RP_ID="",
    MAIL_SENDER="process",  # tests that want a mail sent do it themselves
    FIRST_SUPERUSER_EMAIL="Root@example.com",
    FIRST_SUPERUSER_PASSWORD="first superuser's password",
)
