"""What an OpenID Connect provider publishes: its configuration and its keys, fetched when they are needed."""

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from app.features.sign_in.providers import InvalidAnswerError, Provider, ProviderUnavailableError
from app.features.sign_in.requests import fetch_json
from app.features.sign_in.settings import is_safe

MAX_AGE: Final = 3600.0  # seconds
# A key that we don't know may be new; but nobody makes us ask the provider for its keys again and again.
MAX_AGE_WITHOUT_KEY: Final = 60.0
PAUSE: Final = 5.0  # after a failure: whoever comes meanwhile doesn't wait for another time-out


def _safe(url: str) -> str:
    if not is_safe(url):
        raise ValueError("no HTTPS")
    return url


Endpoint = Annotated[str, AfterValidator(_safe)]


class Configuration(BaseModel):
    """OpenID Connect Discovery section 3, and RFC 9207 section 3."""

    model_config = ConfigDict(strict=True)

    issuer: str
    authorization_endpoint: Endpoint
    token_endpoint: Endpoint
    jwks_uri: Endpoint
    userinfo_endpoint: Endpoint | None = None
    id_token_signing_alg_values_supported: list[str] = ["RS256"]
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]
    authorization_response_iss_parameter_supported: bool = False


class _Keys(BaseModel):
    keys: list[dict[str, Any]]


async def configuration_of(provider: Provider) -> Configuration:
    """Raises ProviderUnavailableError and InvalidAnswerError."""
    url = provider.issuer.removesuffix("/") + "/.well-known/openid-configuration"
    configuration: Configuration = await _document(Configuration, url, MAX_AGE)
    issuer = provider.issuer
    if provider.is_microsoft:  # its documents for several tenants say {tenantid}
        issuer = re.sub(r"/(common|organizations)/v2\.0$", "/{tenantid}/v2.0", issuer)
    if configuration.issuer != issuer:
        raise InvalidAnswerError(f"{url}: the issuer is {configuration.issuer!r}, and SIGN_IN says {issuer!r}")
    return configuration


async def key_of(configuration: Configuration, key_id: str | None) -> dict[str, Any]:
    """The key with this id. Without an id it is the only one for signatures (OpenID Connect Core section 10.1)."""
    url = configuration.jwks_uri
    for max_age in (MAX_AGE, MAX_AGE_WITHOUT_KEY):
        keys: _Keys = await _document(_Keys, url, max_age)
        found = [key for key in keys.keys if key.get("use", "sig") == "sig" and key_id in {None, key.get("kid")}]
        if len(found) == 1:
            return found[0]
    raise InvalidAnswerError(f"{url}: no such key")


def _read(kind: type[BaseModel], document: object, url: str) -> BaseModel:
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        fields = ", ".join(str(problem["loc"]) for problem in error.errors(include_input=False)[:5])
        raise InvalidAnswerError(f"{url}: {fields}") from None


@dataclass
class _Document:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    content: Any = None
    fetched_at: float = 0.0
    failed_at: float = 0.0
    failure: ProviderUnavailableError | InvalidAnswerError | None = None


_documents: Final[dict[tuple[type[BaseModel], str], _Document]] = {}  # one provider may name a URL of another one's


async def _document(kind: type[BaseModel], url: str, max_age: float) -> Any:
    """A document of this kind that was fetched at most so many seconds ago. Of simultaneous requests one fetches it."""
    document = _documents.setdefault((kind, url), _Document())
    async with document.lock:
        now = time.time()
        if now - document.fetched_at < max_age:
            return document.content
        if document.failure and now - document.failed_at < PAUSE:
            raise type(document.failure)(*document.failure.args)
        try:
            document.content = _read(kind, await fetch_json("GET", url), url)
        except (ProviderUnavailableError, InvalidAnswerError) as failure:
            document.failure, document.failed_at = failure, now
            raise
        document.fetched_at, document.failure = now, None
        return document.content
