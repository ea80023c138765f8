"""The settings of mail: without MAIL_URL its routes don't exist, and nothing is sent."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, EmailStr, Field, SecretStr, field_validator, model_validator

from app.core.config import FeatureSettings, load, settings
from app.features.mail.mail_url import MailServer, parse_mail_url

Url = Annotated[str, Field(pattern=r"^https?://[^?#\s]+$"), AfterValidator(lambda url: url.rstrip("/"))]


class MailSettings(FeatureSettings):
    mail_url: SecretStr | None = None
    mail_from: EmailStr | None = None
    frontend_url: Url | None = Field(default=None, examples=["https://app.example.com"])  # where links lead
    email_verification: Literal["optional", "required"] = "optional"  # required: before the first login
    registration: Literal["open", "discreet"] = "open"  # discreet: nobody learns that an address is taken
    mail_sender: Literal["server", "process"] = "server"  # process: `python -m app.features.mail` sends instead

    @field_validator("mail_url")
    @classmethod
    def _leads_to_mail(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_mail_url(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _can_send_what_it_promises(self) -> Self:
        if self.email_verification == "required" and self.mail_url is None:
            raise ValueError("EMAIL_VERIFICATION=required needs a MAIL_URL: without emails nobody could ever log in")
        if self.registration == "discreet" and self.email_verification == "optional":
            raise ValueError("REGISTRATION=discreet needs EMAIL_VERIFICATION=required: else a login tells")
        if self.mail_url is not None and self.mail_from is None:
            raise ValueError("MAIL_FROM must be set where MAIL_URL is, e.g. no-reply@example.com")
        if settings.environment == "production" and isinstance(self.mail_server, Path):
            raise ValueError("MAIL_URL is a folder, which nobody reads in production: smtp://… or smtps://…")
        return self

    @property
    def mail_server(self) -> MailServer | Path | None:
        return parse_mail_url(self.mail_url.get_secret_value()) if self.mail_url else None


mail_settings = load(MailSettings)
