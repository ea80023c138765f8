"""Every setting, its type, its default and its reason.

Settings are read once, from the environment, else from `.env`, else from these defaults; NAME_FILE may name a file that
holds NAME. docs/settings.md and `.env.example` list them in the same sections. An invalid value stops the program with
a message that names the variable.

A feature has settings of its own: a subclass of FeatureSettings in its folder, and `load` to read it.
"""

import json
import os
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BeforeValidator,
    EmailStr,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from sqlalchemy import URL

from app.core.database_url import address, ignored, settings_in, to_asyncpg_url
from app.core.keys import private_key
from app.core.origins import allowed_host, app_origin, web_origin
from app.core.weak_secrets import MIN_SECRET_KEY_LENGTH, is_common, is_own_address, is_weak_key, normalized

PROJECT_DIR = Path(__file__).resolve().parents[2]
with (PROJECT_DIR / "pyproject.toml").open("rb") as _file:
    PROJECT: dict[str, Any] = tomllib.load(_file)["project"]

ENV_FILE = Path(os.environ.get("ENV_FILE", PROJECT_DIR / ".env"))  # the tests name one that doesn't exist


def split_commas(value: object) -> object:
    """Split a list, which the environment holds as `a, b` or, in JSON, as `["a", "b"]`."""
    if not isinstance(value, str):
        return value
    return json.loads(value) if value.startswith("[") else [item.strip() for item in value.split(",") if item.strip()]


CommaSeparated = (NoDecode, BeforeValidator(split_commas))
Origin = Annotated[str, AfterValidator(lambda origin: origin if origin == "*" else app_origin(origin))]
AllowedHost = Annotated[str, AfterValidator(allowed_host)]
PublicUrl = Annotated[str, AfterValidator(web_origin)]


def accepted_by(read: Callable[[str], object]) -> AfterValidator:
    """Have a secret read, which raises ValueError if it can't be; it stays as it is."""

    def validate(secret: SecretStr) -> SecretStr:
        read(secret.get_secret_value())
        return secret

    return AfterValidator(validate)


DatabaseUrl = Annotated[SecretStr, accepted_by(to_asyncpg_url)]
PrivateKey = Annotated[SecretStr, accepted_by(private_key)]


class FeatureSettings(BaseSettings):
    """The base of the core's settings and of each feature's: where they come from, and rules for all of them."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """An empty variable of the environment wins over `.env`, too: `PUBLIC_URL= make dev` has none."""
        env_file = DotEnvSettingsSource(settings_cls, env_file=ENV_FILE)
        given = {name.lower(): value for name, value in os.environ.items()}
        env_file.env_vars = {name: value for name, value in env_file.env_vars.items() if name not in given}
        in_files = EnvSettingsSource(settings_cls)
        in_files.env_vars = read_files(settings_cls, env_file.env_vars | given)
        return init_settings, in_files, env_settings, env_file

    @field_validator("*", mode="before")
    @classmethod
    def _is_bare(cls, value: object) -> object:
        # `.env` and shells strip these; `docker run --env-file` and the forms of hosting platforms don't.
        if isinstance(value, str) and value.endswith("\r"):
            raise ValueError("ends with a carriage return: give the file that sets it Unix line endings")
        if isinstance(value, str) and re.fullmatch(r"""(["']).*\1""", value, re.DOTALL):
            raise ValueError("is in quotes, which are part of the value here: remove them")
        return value


def read_files(kind: type[BaseSettings], variables: Mapping[str, str | None]) -> dict[str, str]:
    """The settings whose variable with _FILE behind its name says in which file they are: SECRET_KEY_FILE, for example.

    Raises ValueError, for what can't be read and for a setting that is given in both ways.
    """
    found: dict[str, str] = {}
    for name in kind.model_fields:
        if path := variables.get(f"{name}_file"):
            if variables.get(name):
                raise ValueError(f"{name.upper()} and {name.upper()}_FILE are both set: remove one of them")
            try:
                found[name] = Path(path).read_text(encoding="utf-8").rstrip("\n")
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"{name.upper()}_FILE can't be read: {error}") from None
    return found


class Settings(FeatureSettings):
    # Application
    environment: Literal["dev", "test", "production"] = "dev"
    api_prefix: str = Field(default="", pattern=r"^(/[A-Za-z0-9._~-]+)*$", examples=["/api/v1"])
    docs: bool = True  # /docs and /openapi.json
    # Where clients find us: the issuer and audience of access tokens.
    public_url: PublicUrl | None = None
    # Whom to tell of a vulnerability: /.well-known/security.txt (RFC 9116).
    security_contact: str | None = Field(
        default=None,
        pattern=r"^(mailto:[!-~]+@[!-~]+|(https://|tel:)[!-~]+)$",
        examples=["mailto:security@example.com"],
    )

    # Tokens and passwords
    # Signs every token. The fallbacks verify: former keys, and the next one before any process signs with it.
    secret_key: SecretStr
    secret_key_fallbacks: Annotated[list[SecretStr], *CommaSeparated] = []
    # Signs access tokens instead of SECRET_KEY: others can verify, not forge them; see docs/other-services.md.
    jwt_private_key: PrivateKey | None = None
    jwt_private_key_fallbacks: Annotated[list[PrivateKey], *CommaSeparated] = []
    access_token_expire_minutes: int = Field(default=15, ge=1, le=24 * 60)
    refresh_token_expire_minutes: int = Field(default=28 * 24 * 60, ge=1, le=10 * 365 * 24 * 60)
    # Seconds within which a spent refresh token may be sent again: after a lost response, or by a second tab.
    refresh_token_leeway: int = Field(default=10, ge=0, le=300)
    session_max_days: int = Field(default=180, ge=1, le=10 * 365)  # from the login, however often it is refreshed
    security_bcrypt_rounds: int = Field(default=12, ge=4, le=20)  # one more doubles the time; 12 is about 250 ms
    # Of new ones. NIST SP 800-63B-4 wants 15 where a password is all that a login takes, 8 where it takes more.
    password_min_length: int = Field(default=8, ge=8, le=64)

    # Database
    database_url: DatabaseUrl | None = None
    test_database_url: DatabaseUrl | None = None  # the tests use this one only
    # Used by Alembic only: its role may alter tables that the application's role may only use; see docs/scaling.md.
    migration_database_url: DatabaseUrl | None = None
    database_pooler: Literal["none", "transaction"] = "none"  # PgBouncer in transaction mode; see docs/scaling.md
    # All processes of all replicas share PostgreSQL's connections; at start, server/lifespan.py warns of too few.
    database_pool_size: int = Field(default=10, ge=1)
    web_concurrency: int = Field(default=1, ge=1)  # processes of each replica; the web server reads it, too
    max_replicas: int = Field(default=1, ge=1)
    # Every wait for the database is bounded; all times in seconds.
    database_pool_timeout: int = Field(default=5, ge=1)
    database_connect_timeout: int = Field(default=5, ge=1)
    database_statement_timeout: int = Field(default=10, ge=1)
    database_lock_timeout: int = Field(default=5, ge=1)
    database_idle_in_transaction_timeout: int = Field(default=30, ge=1)

    # Network
    allowed_hosts: Annotated[list[AllowedHost], *CommaSeparated] = Field(["*"], min_length=1)
    # The origins of pages, and of applications that aren't web pages, such as capacitor://localhost.
    backend_cors_origins: Annotated[list[Origin], *CommaSeparated] = []
    # X-Forwarded-For counts only when one of these sends it: anybody else could make it up.
    trusted_proxies: Annotated[list[IPvAnyNetwork], *CommaSeparated] = []
    # Or so many proxies stand before us, whatever their addresses; nobody may reach us past them.
    trusted_proxy_hops: int = Field(default=0, ge=0, le=10)

    # Shutdown, in seconds
    # After SIGTERM the server keeps serving for the delay, with readiness at 503, until load balancers stop sending.
    # Requests that are then in flight have the timeout to finish; the container's entrypoint passes it to the server.
    shutdown_delay: int = Field(default=0, ge=0)
    shutdown_timeout: int = Field(default=20, ge=1)

    # Logs, metrics, traces
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"  # INFO writes one line per request
    metrics_port: int | None = Field(default=None, ge=1, le=65535)  # for Prometheus; don't expose it publicly
    # OpenTelemetry spans of each request, for the collector at OTEL_EXPORTER_OTLP_ENDPOINT; see docs/scaling.md.
    tracing: bool = False

    # First superuser, whom `python -m app.initial_data` creates when both are set
    first_superuser_email: EmailStr | None = None
    first_superuser_password: SecretStr | None = Field(default=None, max_length=128)

    @field_validator("first_superuser_password")
    @classmethod
    def _is_long_enough(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        least = info.data.get("password_min_length", 0)  # missing if it is invalid itself
        if password and (length := len(normalized(password.get_secret_value()))) < least:
            raise ValueError(f"should have at least {least} characters, not {length}")
        return password

    @model_validator(mode="before")
    @classmethod
    def _take_what_the_url_says(cls, values: dict[str, Any]) -> dict[str, Any]:
        """A parameter of DATABASE_URL, such as `pgbouncer=true`, wins over the setting that it stands for."""
        url = values.get("database_url")
        return values | settings_in(url) if isinstance(url, str) else values

    @model_validator(mode="after")
    def _has_a_database(self) -> Self:
        if self.environment == "test" and self.test_database_url is None:
            raise ValueError("TEST_DATABASE_URL must be set: tests run against a database of their own")
        if self.environment != "test" and self.database_url is None:
            raise ValueError("DATABASE_URL must be set, e.g. postgresql://user:password@host:5432/name")
        return self

    @model_validator(mode="after")
    def _trusts_proxies_in_one_way(self) -> Self:
        if self.trusted_proxies and self.trusted_proxy_hops:
            raise ValueError("TRUSTED_PROXIES and TRUSTED_PROXY_HOPS are two answers to one question: set one of them")
        if any(network.prefixlen == 0 for network in self.trusted_proxies):
            raise ValueError(
                "TRUSTED_PROXIES must not be everybody: any client could then make up its IP address. If nobody knows"
                " your proxies' addresses, set TRUSTED_PROXY_HOPS to how many there are"
            )
        return self

    @model_validator(mode="after")
    def _is_fit_for_production(self) -> Self:
        if self.environment != "production":
            return self
        for name, keys in (("SECRET_KEY", [self.secret_key]), ("SECRET_KEY_FALLBACKS", self.secret_key_fallbacks)):
            if any(is_weak_key(key.get_secret_value()) for key in keys):
                raise ValueError(
                    f"{name} is a placeholder or shorter than {MIN_SECRET_KEY_LENGTH} characters; "
                    "`make secret-key` prints a good one"
                )
        if self.public_url and not self.public_url.startswith("https:"):
            raise ValueError("PUBLIC_URL must begin with https:// in production: tokens and passwords travel there")
        if "*" in self.backend_cors_origins:
            raise ValueError("BACKEND_CORS_ORIGINS must name the origins: with `*` any site may act as your users")
        password = self.first_superuser_password.get_secret_value() if self.first_superuser_password else ""
        if password and (is_common(password) or is_own_address(password, self.first_superuser_email or "")):
            raise ValueError(
                "FIRST_SUPERUSER_PASSWORD is one of the commonest, or the email address: set another one, and "
                "change it, too, where it was used"
            )
        return self

    @cached_property
    def secret_keys(self) -> tuple[str, ...]:
        """The key that signs, then those that still verify."""
        return tuple(key.get_secret_value() for key in (self.secret_key, *self.secret_key_fallbacks))

    @property
    def named_cors_origins(self) -> list[str]:
        """The origins that may send the cookie of /auth/browser; `*` never lets an origin send it."""
        return [origin for origin in self.backend_cors_origins if origin != "*"]

    @property
    def private_keys(self) -> tuple[str, ...]:
        """The key that signs access tokens, then those that verify them; none where SECRET_KEY does."""
        if self.jwt_private_key is None:
            return ()
        return tuple(key.get_secret_value() for key in (self.jwt_private_key, *self.jwt_private_key_fallbacks))

    @property
    def sqlalchemy_url(self) -> URL:
        """The database of this environment, for SQLAlchemy's asyncpg dialect."""
        url = self.test_database_url if self.environment == "test" else self.database_url
        assert url is not None  # noqa: S101 — _has_a_database ensures it
        return to_asyncpg_url(url.get_secret_value())

    @property
    def migration_url(self) -> URL:
        """The database of this environment for Alembic; in tests always the test database, whatever .env says."""
        if self.environment == "test" or self.migration_database_url is None:
            return self.sqlalchemy_url
        return to_asyncpg_url(self.migration_database_url.get_secret_value())

    @property
    def ignored_parameters(self) -> list[str]:
        """The names of parameters of DATABASE_URL that change nothing."""
        return ignored(self.database_url.get_secret_value()) if self.database_url else []

    @property
    def database_address(self) -> str:
        return address(self.sqlalchemy_url)


Kind = TypeVar("Kind", bound=FeatureSettings)

loaded: dict[type[FeatureSettings], FeatureSettings] = {}  # the objects that the application uses


def load(kind: type[Kind]) -> Kind:
    """Read these settings. Raises SystemExit with a line for each variable that is missing, wrong or mistyped."""
    try:
        settings = kind()
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        lines = [in_words(kind, problem) for problem in problems]
        raise SystemExit(_refusal([*lines, *unknown_names(*loaded, kind)])) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f".env can't be read; it must be UTF-8, and readable by this user: {error}") from None
    except ValueError as error:
        raise SystemExit(_refusal([str(error)])) from None
    loaded.setdefault(kind, settings)
    return settings


def refuse_unknown_names() -> None:
    """Raises SystemExit if `.env` has what looks like a setting and isn't one; call it once all settings are loaded."""
    if lines := list(unknown_names(*loaded)):
        raise SystemExit(_refusal(lines))


def unknown_names(*kinds: type[FeatureSettings]) -> Iterator[str]:
    """A line for each name in `.env` that looks like a setting of these kinds: nearly the same, or beginning alike.

    Other names are for other programs. So are names that .env.example has and these kinds don't: Docker Compose's.
    """
    known = [name.upper() for kind in kinds for name in kind.model_fields]
    example = PROJECT_DIR / ".env.example"
    text = example.read_text(encoding="utf-8") if example.exists() else ""
    listed = set(re.findall(r"^[#\s]*(\w+)=", text, re.MULTILINE))
    # Two settings that begin with the same word make it ours, such as DATABASE_ but not API_.
    words = Counter(name.partition("_")[0] for name in known if "_" in name)
    beginnings = tuple(f"{word}_" for word, count in words.items() if count > 1)
    for name in dotenv_values(ENV_FILE):
        setting = name.upper().removesuffix("_FILE").partition("__")[0]  # which may be in a file, or in parts
        if {name.upper(), setting} & {*known, *listed}:
            continue
        (nearest,) = get_close_matches(name.upper(), known, n=1, cutoff=0)
        is_alike = bool(get_close_matches(name.upper(), [nearest], cutoff=0.75))
        # VITE_PUBLIC_URL is near to PUBLIC_URL, but another program's.
        if (is_alike and not name.upper().endswith(f"_{nearest}")) or name.upper().startswith(beginnings):
            yield f"{name}: no such setting; did you mean {nearest}? For another program, list it in .env.example"


def in_words(kind: type[FeatureSettings], problem: ErrorDetails) -> str:
    """Say what is wrong with which variable, and how to fix it, without showing its value."""
    names = [part for part in problem["loc"] if isinstance(part, str)]  # a setting, and what is nested in it
    name = "__".join(names)
    words = problem["msg"].removeprefix("Value error, ").replace(" items after validation", " characters")
    match problem["type"]:
        case "missing":
            words = "must be set" + ("; `make secret-key` prints a good one" if name == "secret_key" else "")
        case "string_pattern_mismatch" if examples := kind.model_fields[names[0]].examples:
            words = f"must look like {examples[0]}"
    return f"{name.upper()}: {words}" if name else words


def _refusal(problems: list[str]) -> str:
    lines = ["These settings, from the environment or .env, are invalid:"]
    lines += dict.fromkeys(f"  {problem}" for problem in problems)  # once per list
    if not ENV_FILE.exists():
        lines.append("There is no .env here; `make env` writes one.")
    return "\n".join(lines)


settings = load(Settings)
