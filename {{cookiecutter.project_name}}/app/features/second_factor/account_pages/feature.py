"""What the account pages need of second factors beside their routes."""

from app.api.feature import Feature
from app.api.login_routes import Mount
from app.core.pages import pages_path
from app.features.second_factor.account_pages.qr_code import router

second_factor_pages = Feature(
    name="second factor", mounts=[Mount("/auth", router)], is_on=lambda: pages_path() is not None
)
