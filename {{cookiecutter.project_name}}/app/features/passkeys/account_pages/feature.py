"""What the account pages add to passkeys beside their own part."""

from app.api.feature import Feature
from app.api.login_routes import Mount
from app.core.pages import pages_url
from app.features.passkeys.account_pages.well_known import router
from app.features.passkeys.settings import passkey_settings

passkeys_pages = Feature(
    name="passkeys",
    mounts=[Mount(None, router)],
    is_on=lambda: passkey_settings.rp_id is not None and pages_url() is not None,
)
