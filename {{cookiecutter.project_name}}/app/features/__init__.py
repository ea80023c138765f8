"""The features of this project, an import and an entry for each; docs/development.md says how to add or remove one."""

from app.api.feature import Feature
from app.features.api_keys.feature import api_keys
from app.features.mail.feature import mail
from app.features.passkeys.feature import passkeys
from app.features.second_factor.feature import second_factor
from app.features.superuser_factor.feature import superuser_factor

FEATURES: list[Feature] = [
    # in the order in which they see a login
    mail,
    second_factor,
    passkeys,
    superuser_factor,
    api_keys,
]
