"""The settings of sign-in with others: which providers there are."""

import re
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator
from pydantic_settings import SettingsConfigDict

from app.core.config import CommaSeparated, FeatureSettings, load, settings

# As long as a session's login method can be.
ProviderId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max_length=20)]

GUID: Final = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
MICROSOFT: Final = "https://login.microsoftonline.com/{tenant}/v2.0"
# Microsoft's own accounts are those of a tenant, too: https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference
CONSUMERS: Final = "9188040d-6c67-4c5b-b112-36a304b66dad"
ISSUERS: Final = {"google": "https://accounts.google.com", "github": "https://github.com", "microsoft": MICROSOFT}
NAMES: Final = {"github": "GitHub"}


def is_safe(url: str) -> bool:
    """Whether requests with secrets may go to this URL: by HTTPS only, except in development."""
    parts = urlsplit(url)
    schemes = {"https"} if settings.environment == "production" else {"https", "http"}
    return parts.scheme in schemes and bool(parts.hostname) and "@" not in parts.netloc and "#" not in url


def _issuer(url: str) -> str:
    if not is_safe(url) or re.search(r"[\s?\\]", url):
        raise ValueError("must look like https://login.example.com, exactly as the provider writes it")
    return url


def _app_scheme(scheme: str) -> str:
    # RFC 8252 section 7.1: the name of a domain of yours, backwards. Without a dot it may be a browser's own.
    if not re.fullmatch(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+", scheme):
        raise ValueError("must have schemes such as com.example.app")
    return scheme


class ProviderSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: str = Field(min_length=1)
    client_secret: SecretStr = Field(min_length=1)
    issuer: Annotated[str, AfterValidator(_issuer)] | None = None
    tenant: str | None = Field(default=None, pattern=rf"^({GUID}|common|organizations|consumers)$")
    name: str | None = None  # on the button
    scope: str = "openid email"
    response_mode: Literal["query", "form_post"] = "query"


class SignInSettings(FeatureSettings):
    # SIGN_IN__GOOGLE__CLIENT_ID and the like: each value has a line of its own, and secrets can come from a store.
    model_config = SettingsConfigDict(env_nested_delimiter="__")

    sign_in: dict[ProviderId, ProviderSettings] = Field({})
    # Schemes of mobile and desktop applications, to whose addresses a login may return.
    native_app_schemes: Annotated[list[Annotated[str, AfterValidator(_app_scheme)]], *CommaSeparated] = Field([])

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        for provider_id, provider in self.sign_in.items():
            name = f"SIGN_IN__{provider_id.upper()}__"
            if provider_id == "microsoft" and not (provider.tenant or provider.issuer):
                raise ValueError(f"{name}TENANT must be set: an id, common, organizations or consumers")
            if provider_id not in ISSUERS and not provider.issuer:
                raise ValueError(f"{name}ISSUER must be set, e.g. https://login.example.com")
        if self.sign_in and settings.environment == "production" and not settings.public_url:
            raise ValueError("PUBLIC_URL must be set: providers send people back there")
        return self


sign_in_settings = load(SignInSettings)
