"""The settings of passkeys."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from app.core.config import FeatureSettings, load, settings


class PasskeySettings(FeatureSettings):
    # The domain that passkeys belong to: the domain of PUBLIC_URL or, where other sites share them, one above it.
    passkey_rp_id: str | None = Field(
        default=None, pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", examples=["example.com"]
    )

    @model_validator(mode="after")
    def _is_ours(self) -> Self:
        host = urlsplit(settings.public_url or "").hostname or ""
        if self.passkey_rp_id and not f".{host}".endswith(f".{self.passkey_rp_id}"):
            raise ValueError("PASSKEY_RP_ID must be the domain of PUBLIC_URL or one above it, e.g. example.com")
        return self

    @property
    def rp_id(self) -> str | None:
        """The domain of passkeys (WebAuthn: RP ID); in development localhost, where nothing else is set."""
        if settings.public_url:
            return self.passkey_rp_id or urlsplit(settings.public_url).hostname
        return None if settings.environment == "production" else "localhost"


passkey_settings = load(PasskeySettings)
