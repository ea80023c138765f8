"""Passkeys (WebAuthn): docs/passkeys.md shows each flow."""

from app.api.feature import Feature
from app.api.login_routes import Mount, login_routes
from app.features.passkeys.login import INCORRECT_PASSKEY, log_in_with_passkey, options_router
from app.features.passkeys.models import Passkey
from app.features.passkeys.routes import router
from app.features.passkeys.settings import passkey_settings
from app.features.passkeys.superusers import refuse_weaker_session
from app.features.passkeys.well_known import router as well_known_router

passkeys = Feature(
    name="passkeys",
    mounts=[
        Mount("/auth", router),
        Mount("/auth", options_router),
        *login_routes("/passkeys/login", log_in_with_passkey, INCORRECT_PASSKEY),
        Mount(None, well_known_router),
    ],
    is_on=lambda: passkey_settings.rp_id is not None,
    audit_events=["second_factor_added", "second_factor_removed", "passkey_refused"],
    recent_login_rules=[refuse_weaker_session],
    strong_methods=["passkey"],
    ways_to_log_in=[Passkey],
)
