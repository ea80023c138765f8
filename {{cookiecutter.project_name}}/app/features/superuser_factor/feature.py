"""SUPERUSER_SECOND_FACTOR=required: superusers have their rights only in sessions that more than a password began."""

from app.api.feature import Feature
from app.auth.caller import Caller, SuperuserRule
from app.auth.login import strong_methods
from app.features.superuser_factor.settings import superuser_factor_settings

NEEDS_MORE = "Only superusers who logged in with more than a password may do this"


def _is_strong(caller: Caller) -> bool:
    return superuser_factor_settings.superuser_second_factor == "optional" or caller.login_method in strong_methods


def _refusal() -> str | None:
    return None if superuser_factor_settings.superuser_second_factor == "optional" else NEEDS_MORE


superuser_factor = Feature(name="superusers", superuser_rules=[SuperuserRule(_is_strong, _refusal)])
