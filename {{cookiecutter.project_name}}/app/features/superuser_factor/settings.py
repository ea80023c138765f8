"""The settings of superusers' second factors."""

from typing import Literal

from app.core.config import FeatureSettings, load


class SuperuserFactorSettings(FeatureSettings):
    # required: superusers have their rights only in sessions that were begun with more than a password.
    superuser_second_factor: Literal["optional", "required"] = "optional"


superuser_factor_settings = load(SuperuserFactorSettings)
