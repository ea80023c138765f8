"""The settings of the account pages."""

from app.core.config import FeatureSettings, load


class AccountPagesSettings(FeatureSettings):
    account_pages: bool = True  # false takes the pages away


account_pages_settings = load(AccountPagesSettings)
