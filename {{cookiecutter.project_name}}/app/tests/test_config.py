"""Settings: what is refused, with which message, and how values may be written."""

import random
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Self

import pytest
from pydantic import Field, model_validator
from pydantic_core import PydanticUndefined

from app.core import config
from app.core.config import PROJECT_DIR, FeatureSettings, Settings, load, loaded, refuse_unknown_names, settings
from app.core.database_url import to_asyncpg_url
from app.core.weak_secrets import is_weak_key
from app.tests.other_settings import GOOD_KEY, other_settings, refusal, refusal_of


def keys_of(size: int, seed: str) -> Iterator[bytes]:
    """The same each time: one random key in a million does read like an example."""
    dice = random.Random(seed)  # noqa: S311
    while True:
        yield dice.randbytes(size)


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
        ("SECURITY_CONTACT", "xyzzy"),
        ("SECURITY_CONTACT", "http://xyzzy.example.com"),
        ("SECURITY_CONTACT", "mailto:a@example.com\nContact: xyzzy"),
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


@pytest.fixture
def env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Another `.env`."""
    path = tmp_path / ".env"
    monkeypatch.setattr(config, "ENV_FILE", path)
    return path


UNKNOWN = {
    "SECRET_KEI": "SECRET_KEY",
    "secret_kei": "SECRET_KEY",
    "PUBLIC-URL": "PUBLIC_URL",
    "CORS_ORIGINS": "BACKEND_CORS_ORIGINS",
    "ALOWED_HOST": "ALLOWED_HOSTS",
    "LOGLEVEL": "LOG_LEVEL",
    "DATABASE_HOST": "DATABASE_URL",  # begins as ten of ours do
    "MIGRATE_DATABASE_URL": "MIGRATION_DATABASE_URL",
}


@pytest.mark.parametrize(("name", "nearest"), UNKNOWN.items())
def test_a_name_that_looks_like_a_setting_is_refused(env_file: Path, name: str, nearest: str) -> None:
    env_file.write_text(f"{name}=xyzzy")
    with pytest.raises(SystemExit) as exit_info:
        refuse_unknown_names()
    assert f"\n  {name}: no such setting; did you mean {nearest}?" in str(exit_info.value)
    assert "xyzzy" not in str(exit_info.value)


def test_other_programs_names_are_ignored_and_a_name_in_the_example_is_never_refused(env_file: Path) -> None:
    others = ["COLOUR", "PORT", "UV_INDEX", "OTEL_EXPORTER_OTLP_ENDPOINT", "API_KEY", "VITE_PUBLIC_URL", "PGPASSWORD"]
    compose = re.findall(r"\$\{(\w+)", (PROJECT_DIR / "docker-compose.yml").read_text(encoding="utf-8"))
    assert "POSTGRES_PORT" in compose
    env_file.write_text("\n".join(f"{name}=x" for name in [*others, *compose, *in_example()]))
    refuse_unknown_names()


def test_a_mistyped_name_is_reported_beside_the_setting_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, env_file: Path
) -> None:
    env_file.write_text("SECRET_KEI=xyzzy")
    monkeypatch.delenv("SECRET_KEY")
    message = refusal(monkeypatch)
    assert "\n  SECRET_KEY: must be set" in message
    assert "\n  SECRET_KEI: no such setting; did you mean SECRET_KEY?" in message


def test_an_env_file_in_another_encoding_is_reported(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    env_file.write_text("# caf\xe9", encoding="latin-1")
    assert ".env can't be read; it must be UTF-8" in refusal(monkeypatch)


@pytest.mark.parametrize(
    ("variable", "line", "level"),
    [
        (None, "LOG_LEVEL=ERROR", "ERROR"),
        (None, "LOG_LEVEL=", "INFO"),
        ("DEBUG", "LOG_LEVEL=ERROR", "DEBUG"),
        ("", "LOG_LEVEL=ERROR", "INFO"),
        ("", "log_level=ERROR", "INFO"),
    ],
)
def test_a_variable_wins_over_the_env_file_even_if_it_is_empty(
    monkeypatch: pytest.MonkeyPatch, env_file: Path, variable: str | None, line: str, level: str
) -> None:
    env_file.write_text(line)
    monkeypatch.delenv("LOG_LEVEL")
    if variable is not None:
        monkeypatch.setenv("LOG_LEVEL", variable)
    assert load(Settings).log_level == level


def test_a_secret_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, env_file: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{GOOD_KEY}\n")
    (tmp_path / "fallbacks").write_text("one,two\n\n")
    monkeypatch.setenv("SECRET_KEY", "")
    monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.delenv("SECRET_KEY_FALLBACKS")
    env_file.write_text(f"SECRET_KEY_FALLBACKS_FILE={tmp_path / 'fallbacks'}")
    assert load(Settings).secret_keys == (GOOD_KEY, "one", "two")
    refuse_unknown_names()
    # The value is checked like any other, and an empty name means none.
    (tmp_path / "key").write_text(f'"{GOOD_KEY}"')
    assert "  SECRET_KEY: is in quotes" in refusal(monkeypatch)
    assert "  SECRET_KEY: must be set" in refusal(monkeypatch, SECRET_KEY_FILE="")


@pytest.mark.parametrize("where", ["environment", "env_file"])
def test_a_secret_in_two_places_is_refused(
    monkeypatch: pytest.MonkeyPatch, env_file: Path, tmp_path: Path, where: str
) -> None:
    (tmp_path / "key").write_text(GOOD_KEY)
    monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.delenv("SECRET_KEY")
    if where == "environment":
        monkeypatch.setenv("SECRET_KEY", GOOD_KEY)
    else:
        env_file.write_text(f"SECRET_KEY={GOOD_KEY}")
    assert "  SECRET_KEY and SECRET_KEY_FILE are both set: remove one of them" in refusal(monkeypatch)
    assert GOOD_KEY not in refusal(monkeypatch)


def test_a_file_that_cannot_be_read_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SECRET_KEY")
    message = refusal(monkeypatch, SECRET_KEY_FILE=str(tmp_path / "missing"))
    assert "  SECRET_KEY_FILE can't be read: [Errno 2] No such file or directory" in message
    assert "/missing'" in message
    (tmp_path / "binary").write_bytes(b"\xff")
    assert "  SECRET_KEY_FILE can't be read: 'utf-8'" in refusal(monkeypatch, SECRET_KEY_FILE=str(tmp_path / "binary"))


def test_a_service_link_of_kubernetes_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_PORT", "tcp://10.0.0.1:5432")
    monkeypatch.setenv("TEST_POSTGRES_PORT", "tcp://10.0.0.1:5432")
    load(Settings)


class ParrotSettings(FeatureSettings):
    """A feature's, as it would write them in its folder."""

    parrot_url: config.PublicUrl | None = None
    parrot_words: Annotated[list[str], *config.CommaSeparated] = Field([])

    @model_validator(mode="after")
    def _is_far_away(self) -> Self:
        if settings.environment == "production" and self.parrot_url is None:
            raise ValueError("PARROT_URL must be set in production")
        return self


@pytest.fixture
def parrots(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> ParrotSettings:
    monkeypatch.setattr(config, "loaded", loaded.copy())
    monkeypatch.setattr("app.tests.other_settings.loaded", config.loaded)
    env_file.write_text("PARROT_URL=https://Parrot.example:443/\nPARROT_WORDS=hello, world")
    return load(ParrotSettings)


def test_a_feature_has_settings_of_its_own(
    monkeypatch: pytest.MonkeyPatch, env_file: Path, parrots: ParrotSettings
) -> None:
    assert (parrots.parrot_url, parrots.parrot_words) == ("https://parrot.example", ["hello", "world"])
    refuse_unknown_names()
    env_file.write_text("PAROT_URL=x\nPARROT_COLOUR=x")  # mistyped, and beginning as two settings do
    with pytest.raises(SystemExit, match="PAROT_URL: no such setting; did you mean PARROT_URL") as exit_info:
        refuse_unknown_names()
    assert "PARROT_COLOUR: no such setting" in str(exit_info.value)
    assert "\n  PARROT_URL: must look like https://" in refusal_of(ParrotSettings, monkeypatch, PARROT_URL="xyzzy")
    assert "PARROT_URL: is in quotes" in refusal_of(ParrotSettings, monkeypatch, PARROT_URL="'xyzzy'")


def test_other_settings_finds_the_object_by_the_name_of_the_variable(parrots: ParrotSettings) -> None:
    with other_settings(LOG_LEVEL="ERROR", PARROT_WORDS="bye"):
        assert (settings.log_level, parrots.parrot_words) == ("ERROR", ["bye"])
        assert parrots.parrot_url == "https://parrot.example"
    assert (settings.log_level, parrots.parrot_words) == ("WARNING", ["hello", "world"])
    with pytest.raises(AssertionError, match="no such settings: colour"), other_settings(COLOUR="red"):
        pass


def test_a_feature_may_check_its_settings_against_the_cores(
    monkeypatch: pytest.MonkeyPatch, parrots: ParrotSettings
) -> None:
    with other_settings(ENVIRONMENT="production", SECRET_KEY=GOOD_KEY, DATABASE_URL="postgresql://h/x"):
        message = refusal_of(ParrotSettings, monkeypatch, PARROT_URL="")
    assert "PARROT_URL must be set in production" in message


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
    for place, random_bytes in zip(range(1, 64 - len(word)), keys_of(48, word), strict=False):
        key = urlsafe_b64encode(random_bytes).decode()
        assert not is_weak_key(key[:place] + word + key[place + len(word) :])


def test_words_that_overlap_in_a_random_key_are_one() -> None:  # "example" and "please"
    assert not is_weak_key("4PoQWhNYQs29U_6QHvEexampleASe2TPtYu8NG8jvBeNzeD1xEuJOWCri4_xNxEG")


def test_no_random_key_is_refused() -> None:
    for size in (24, 32, 48):
        for key in islice(keys_of(size, str(size)), 3000):
            assert not is_weak_key(urlsafe_b64encode(key).decode())
            assert not is_weak_key(key.hex())


@pytest.mark.parametrize("password", ["password1", "Password1", "ROOT@example.com"])
def test_production_refuses_a_guessable_password_of_the_first_superuser(
    monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    production = {"ENVIRONMENT": "production", "DATABASE_URL": "postgresql://host/name", "SECRET_KEY": GOOD_KEY}
    message = refusal(monkeypatch, **production, FIRST_SUPERUSER_PASSWORD=password)
    assert "FIRST_SUPERUSER_PASSWORD is one of the commonest, or the email address" in message
    assert password not in message
    monkeypatch.setenv("FIRST_SUPERUSER_PASSWORD", "another one, of its own")
    load(Settings)


def test_migrations_may_have_their_own_role_but_tests_only_migrate_the_test_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert settings.migration_url == settings.sqlalchemy_url
    monkeypatch.setenv("MIGRATION_DATABASE_URL", "postgres://owner@host/name")
    assert load(Settings).migration_url == settings.sqlalchemy_url
    monkeypatch.setenv("ENVIRONMENT", "dev")
    monkeypatch.setenv("DATABASE_URL", "postgres://app@host/name")
    assert load(Settings).migration_url == to_asyncpg_url("postgres://owner@host/name")
    assert load(Settings).sqlalchemy_url == to_asyncpg_url("postgres://app@host/name")
    monkeypatch.delenv("MIGRATION_DATABASE_URL")
    assert load(Settings).migration_url == to_asyncpg_url("postgres://app@host/name")


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
    monkeypatch.delenv(missing, raising=False)
    assert f"{missing} must be set" in refusal(monkeypatch, ENVIRONMENT=environment)


def test_there_is_no_default_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "  SECRET_KEY: must be set; `make secret-key` prints a good one" in refusal(monkeypatch, SECRET_KEY="")


def test_production_starts_with_good_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("SECRET_KEY", GOOD_KEY)
    monkeypatch.setenv("DATABASE_URL", "postgres://user:xyzzy@db.example/name?sslmode=require")
    url = load(Settings).sqlalchemy_url
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
    assert load(Settings).allowed_hosts == ["a.example", "b.example"]


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
    compose = re.findall(r"\$\{(\w+)", (PROJECT_DIR / "docker-compose.yml").read_text(encoding="utf-8"))
    for listed in (list(in_readme()), list(in_example())):
        for kind in loaded:
            names = [name.upper() for name in kind.model_fields]
            assert [name for name in listed if name in names] == names
            listed = [name for name in listed if name not in names]  # noqa: PLW2901
        assert set(listed) <= set(compose)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in loaded for name in kind.model_fields])
def test_readme_and_env_example_name_the_default(kind: type[FeatureSettings], name: str) -> None:
    default = kind.model_fields[name].default
    described, example = in_readme()[name.upper()], in_example()[name.upper()]
    if default is not None and default is not PydanticUndefined:
        text = ",".join(default) if isinstance(default, list) else str(default)
        assert described.lower() == (text.lower() or "empty")
    if example and described != "\N{EN DASH}":
        assert example == described


def test_production_needs_no_first_superuser(monkeypatch: pytest.MonkeyPatch) -> None:
    production = {"ENVIRONMENT": "production", "DATABASE_URL": "postgresql://u:p@h/app", "SECRET_KEY": GOOD_KEY}
    for name, value in production.items():
        monkeypatch.setenv(name, value)
    for name in ("FIRST_SUPERUSER_EMAIL", "FIRST_SUPERUSER_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    assert load(Settings).first_superuser_password is None
