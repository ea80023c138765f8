"""Emails: recovery, verification, changes of address, notices. docs/mail.md shows each flow."""

from app.api.feature import Feature
from app.api.login_routes import Mount
from app.features.mail.lifespan import sending
from app.features.mail.login import EMAIL_NOT_VERIFIED, hides, send_notice, stop_unverified
from app.features.mail.registration import register_discreetly
from app.features.mail.routes import router
from app.features.mail.settings import mail_settings

mail = Feature(
    name="accounts by email",
    mounts=[Mount("", router)],
    is_on=lambda: mail_settings.mail_url is not None,
    lifespan=sending,
    audit_events=["recovery_requested", "password_recovered", "email_verified", "email_changed"],
    hidden_accounts=[hides],
    login_steps=[stop_unverified],
    login_refusals=[EMAIL_NOT_VERIFIED],
    senders=[send_notice],
    registrars=[register_discreetly],
)
