"""The providers of the settings, and what one says of somebody who signed in there."""

from typing import NamedTuple

from fastapi import HTTPException, status

from app.features.sign_in.settings import CONSUMERS, ISSUERS, NAMES, sign_in_settings

PROVIDER_NOT_FOUND = "Provider not found"


class Provider(NamedTuple):
    id: str
    name: str
    issuer: str
    client_id: str
    client_secret: str
    scope: str
    response_mode: str

    @property
    def is_github(self) -> bool:
        return self.id == "github"

    @property
    def is_microsoft(self) -> bool:
        return self.id == "microsoft"

    @property
    def says_when(self) -> bool:
        """Whether it has people log in once more, and says when they did: Google doesn't know `prompt=login`."""
        return not self.is_github and self.issuer != ISSUERS["google"]


class Person(NamedTuple):
    """Who signed in: always (issuer, subject), never an address."""

    issuer: str
    subject: str
    email: str | None  # in the spelling of our accounts; None if the provider named none that an account can have
    is_verified: bool  # whether the provider says so of this address
    authenticated_at: float | None = None  # Unix time at which the provider last saw a password or the like


class ProviderUnavailableError(Exception):
    """The provider can't be reached, or not in time."""


class InvalidAnswerError(Exception):
    """The provider's answer fails a check; the text says which, and is for the log."""


def providers() -> list[Provider]:
    return [provider_of(provider_id) for provider_id in sign_in_settings.sign_in]


def provider_of(provider_id: str) -> Provider:
    """A dependency of routes. Raises the 404."""
    given = sign_in_settings.sign_in.get(provider_id)
    if given is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, PROVIDER_NOT_FOUND)
    tenant = CONSUMERS if given.tenant == "consumers" else given.tenant
    return Provider(
        id=provider_id,
        name=given.name or NAMES.get(provider_id) or provider_id.replace("_", " ").title(),
        issuer=given.issuer or ISSUERS[provider_id].format(tenant=tenant),
        client_id=given.client_id,
        client_secret=given.client_secret.get_secret_value(),
        scope=given.scope,
        response_mode=given.response_mode,
    )
