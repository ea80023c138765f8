"""Settings: what is refused, with which message, and how values may be written."""

import re
import secrets
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from app.core.config import PROJECT_DIR, Settings, load_settings, settings
from app.core.database_url import to_asyncpg_url
from app.core.weak_keys import is_weak_key

GOOD_KEY = "Zk3vT9qLw7RbYx1NcHs5Jd8FgMp2Ua6E"


def refusal(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as exit_info:
        load_settings()
    return str(exit_info.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "staging"),
        ("ACCESS_TOKEN_EXPIRE_MINUTES", "0"),
        ("ACCESS_TOKEN_EXPIRE_MINUTES", "a while"),
        ("REFRESH_TOKEN_EXPIRE_MINUTES", "-1"),
        ("SECURITY_BCRYPT_ROUNDS", "3"),
        ("SECURITY_BCRYPT_ROUNDS", "31"),
        ("TEST_DATABASE_URL", "mysql://user:xyzzy@host/name"),
        ("TEST_DATABASE_URL", "xyzzy"),
        ("TEST_DATABASE_URL", "postgresql://user:xyzzy@host"),
        ("MIGRATION_DATABASE_URL", "postgresql://user:xyzzy@host"),
        ("API_PREFIX", "api/v1"),
        ("API_PREFIX", "/api/"),
        ("API_PREFIX", "/{xyzzy}"),
        ("TRUSTED_PROXIES", "xyzzy"),
        ("FIRST_SUPERUSER_EMAIL", "xyzzy"),
        ("FIRST_SUPERUSER_PASSWORD", "xyzzy"),
        ("FIRST_SUPERUSER_PASSWORD", "xyzzy" * 30),
    ],
)
def test_a_refusal_names_the_setting_and_does_not_show_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    message = refusal(monkeypatch, **{name: value})
    assert f"  {name}: " in message
    assert "xyzzy" not in message
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("API_PREFIX", "api/v1", "must look like /api/v1"),
        ("BACKEND_CORS_ORIGINS", "app.example.com, example.com", "must look like https://app.example.com"),
        ("TEST_DATABASE_URL", "mysql://user@host/name", "must look like postgresql://user:password@host:5432/name"),
        ("TEST_DATABASE_URL", "postgresql://user:p@ss@host/name", "must be written %40 in a password"),
        ("FIRST_SUPERUSER_PASSWORD", "short", "at least 8 characters"),
        ("SECRET_KEY", f'"{GOOD_KEY}"', "is in quotes, which are part of the value here: remove them"),
        ("API_PREFIX", "'/api/v1'", "is in quotes"),
        ("SECRET_KEY", f"{GOOD_KEY}\r", "ends with a carriage return: give the file that sets it Unix line endings"),
    ],
)
def test_a_refusal_says_what_would_work(monkeypatch: pytest.MonkeyPatch, name: str, value: str, fix: str) -> None:
    message = refusal(monkeypatch, **{name: value})
    assert f"\n  {name}: " in message
    assert fix in message
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SECRET_KEI=xyzzy", "  SECRET_KEI: no such setting; did you mean SECRET_KEY?"),
        ("COLOUR=xyzzy", "  COLOUR: no such setting; .env.example lists all"),
        ("# caf\xe9", ".env can't be read; it must be UTF-8"),
    ],
)
def test_a_mistake_in_the_env_file_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, message: str
) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text(line, encoding="latin-1")
    monkeypatch.setitem(Settings.model_config, "env_file", env_file)
    assert message in refusal(monkeypatch)


@pytest.mark.parametrize(
    "key",
    [
        "changeme",
        "a secret",
        GOOD_KEY[:-1],
        "x" * 64,
        "0123456" * 6,
        "CHANGE_ME_" + GOOD_KEY,
        "please-change-me-" + GOOD_KEY,
        "your-secret-key-here-" + GOOD_KEY,
        "changethis-changethis-please-changethis-1",
        "<your-secret-key-of-at-least-32-characters>",
        "a-string-secret-at-least-256-bits-long",  # jwt.io
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",  # FastAPI's tutorial
        "supersecretkeythatshouldbechangedinproduction",
        "todo: replace with a random key before it runs",
        "abcdefghijklmnopqrstuvwxyz0123456789",
    ],
)
@pytest.mark.parametrize("name", ["SECRET_KEY", "SECRET_KEY_FALLBACKS"])
def test_production_refuses_a_placeholder_or_short_key(monkeypatch: pytest.MonkeyPatch, name: str, key: str) -> None:
    message = refusal(monkeypatch, ENVIRONMENT="production", DATABASE_URL="postgresql://host/name", **{name: key})
    assert f"{name} " in message
    assert key not in message


@pytest.mark.parametrize("word", ["todo", "TODO", "your-key", "change", "secret_", "-123456-", "example", "qwerty"])
def test_no_random_key_is_refused_for_a_word_that_it_happens_to_contain(word: str) -> None:
    for place in range(1, 64 - len(word)):
        key = secrets.token_urlsafe(48)
        assert not is_weak_key(key[:place] + word + key[place + len(word) :])


def test_no_random_key_is_refused() -> None:
    for size in (24, 32, 48):
        assert not any(is_weak_key(secrets.token_urlsafe(size)) for _ in range(3000))
        assert not any(is_weak_key(secrets.token_hex(size)) for _ in range(3000))


@pytest.mark.parametrize("password", ["password1", "Password1", "ROOT@example.com"])
def test_production_refuses_a_guessable_password_of_the_first_superuser(
    monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    production = {"ENVIRONMENT": "production", "DATABASE_URL": "postgresql://host/name", "SECRET_KEY": GOOD_KEY}
    message = refusal(monkeypatch, **production, FIRST_SUPERUSER_PASSWORD=password)
    assert "FIRST_SUPERUSER_PASSWORD is one of the commonest, or the email address" in message
    assert password not in message
    monkeypatch.setenv("FIRST_SUPERUSER_PASSWORD", "another one, of its own")
    load_settings()


def test_migrations_may_have_their_own_role_but_tests_only_migrate_the_test_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert settings.migration_url == settings.sqlalchemy_url
    monkeypatch.setenv("MIGRATION_DATABASE_URL", "postgres://owner@host/name")
    assert load_settings().migration_url == settings.sqlalchemy_url
    monkeypatch.setenv("ENVIRONMENT", "dev")
    monkeypatch.setenv("DATABASE_URL", "postgres://app@host/name")
    assert load_settings().migration_url == to_asyncpg_url("postgres://owner@host/name")
    assert load_settings().sqlalchemy_url == to_asyncpg_url("postgres://app@host/name")
    monkeypatch.delenv("MIGRATION_DATABASE_URL")
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    assert load_settings().migration_url == to_asyncpg_url("postgres://app@host/name")


def test_production_refuses_a_wildcard_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    message = refusal(
        monkeypatch, ENVIRONMENT="production", DATABASE_URL="postgresql://host/name", BACKEND_CORS_ORIGINS="*"
    )
    assert "BACKEND_CORS_ORIGINS" in message


@pytest.mark.parametrize(
    ("environment", "missing"),
    [("production", "DATABASE_URL"), ("dev", "DATABASE_URL"), ("test", "TEST_DATABASE_URL")],
)
def test_no_environment_starts_without_its_database(
    monkeypatch: pytest.MonkeyPatch, environment: str, missing: str
) -> None:
    monkeypatch.setenv("ENVIRONMENT", environment)
    monkeypatch.delenv(missing, raising=False)
    with pytest.raises(ValidationError, match=f"{missing} must be set"):
        Settings(_env_file=None)  # type: ignore[call-arg]


def test_there_is_no_default_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "")
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    assert "  SECRET_KEY: must be set; `make secret-key` prints a good one" in refusal(monkeypatch)


def test_production_starts_with_good_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("SECRET_KEY", GOOD_KEY)
    monkeypatch.setenv("DATABASE_URL", "postgres://user:xyzzy@db.example/name?sslmode=require")
    url = load_settings().sqlalchemy_url
    assert (url.drivername, url.host, url.database, url.query) == (
        "postgresql+asyncpg",
        "db.example",
        "name",
        {"ssl": "require"},
    )


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_database_urls_are_accepted_as_platforms_provide_them(scheme: str) -> None:
    url = to_asyncpg_url(f"{scheme}://user:p%40ss@host:6543/name")
    assert (url.drivername, url.username, url.password, url.port) == ("postgresql+asyncpg", "user", "p@ss", 6543)


@pytest.mark.parametrize("value", ["a.example,b.example", " a.example , b.example,", '["a.example", "b.example"]'])
def test_lists_may_be_written_with_commas_or_as_json(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", value)
    assert load_settings().allowed_hosts == ["a.example", "b.example"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("?sslmode=verify-full", {"ssl": "verify-full"}),
        ("?ssl=require&channel_binding=require", {"ssl": "require"}),
        ("?sslrootcert=/ca.pem", {"dsn": "postgresql://?sslrootcert=%2Fca.pem"}),
    ],
)
def test_libpq_parameters_become_asyncpg_parameters(query: str, expected: dict[str, str]) -> None:
    assert to_asyncpg_url(f"postgresql://host/name{query}").query == expected


def test_a_parameter_that_would_be_ignored_is_refused() -> None:
    with pytest.raises(ValueError, match="connect_timeout"):
        to_asyncpg_url("postgresql://host/name?connect_timeout=3")


def test_printed_settings_show_no_secret() -> None:
    secrets = [settings.secret_key, *settings.secret_key_fallbacks, settings.test_database_url]
    secrets.append(settings.first_superuser_password)
    for secret in secrets:
        assert secret is not None
        assert secret.get_secret_value() not in repr(settings)
    assert not is_weak_key(settings.secret_key.get_secret_value())


def in_readme() -> dict[str, str]:
    """Every setting with the default that docs/settings.md names."""
    text = (PROJECT_DIR / "docs/settings.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `([A-Z_]+)` \| `?(.+?)`? \|", text, re.MULTILINE))


def in_example() -> dict[str, str]:
    text = (PROJECT_DIR / ".env.example").read_text(encoding="utf-8")
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))


def test_readme_and_env_example_list_every_setting_in_the_order_of_the_code() -> None:
    names = [name.upper() for name in Settings.model_fields]
    assert list(in_readme()) == names
    assert list(in_example()) == names


@pytest.mark.parametrize("name", Settings.model_fields)
def test_readme_and_env_example_name_the_default(name: str) -> None:
    default = Settings.model_fields[name].default
    described, example = in_readme()[name.upper()], in_example()[name.upper()]
    if default is not None and default is not PydanticUndefined:
        text = ",".join(default) if isinstance(default, list) else str(default)
        assert described.lower() == (text.lower() or "empty")
    if example and described != "\N{EN DASH}":
        assert example == described
