"""Pages on which people register, log in and manage their account. docs/account_pages.md shows how to change them."""

from app.api.feature import Feature
from app.api.login_routes import Mount
from app.features.account_pages.routes import PATH, router, well_known_router
from app.features.account_pages.settings import account_pages_settings

account_pages = Feature(
    name="account pages",
    mounts=[Mount(PATH, router), Mount(None, well_known_router)],
    is_on=lambda: account_pages_settings.account_pages,
    pages=PATH,
)
