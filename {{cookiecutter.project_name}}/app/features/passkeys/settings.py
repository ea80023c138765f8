"""The settings of passkeys."""

import re
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
        host, rp_id = urlsplit(settings.public_url or "").hostname or "", self.passkey_rp_id
        # Browsers refuse com, and a part of an IP address.
        is_above = f".{host}".endswith(f".{rp_id}") and "." in str(rp_id) and not is_ip_address(host)
        if rp_id and rp_id != host and not is_above:
            raise ValueError("PASSKEY_RP_ID must be the domain of PUBLIC_URL or one above it, e.g. example.com")
        return self

    @property
    def rp_id(self) -> str | None:
        """The domain of passkeys (WebAuthn: RP ID), which no IP address has; in development localhost by default."""
        if settings.public_url:
            host = urlsplit(settings.public_url).hostname or ""
            return self.passkey_rp_id or (None if is_ip_address(host) else host)
        return None if settings.environment == "production" else "localhost"


def is_ip_address(host: str) -> bool:
    """Whether the host of a PUBLIC_URL, which is in its canonical form, is an IP address."""
    return ":" in host or re.fullmatch(r"[0-9.]+", host) is not None


passkey_settings = load(PasskeySettings)
