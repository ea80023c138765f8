"""The features of this project. To leave one out, delete its folder, its two lines here, and its page in docs/."""

from app.api.feature import Feature
from app.features.mail.feature import mail
from app.features.passkeys.feature import passkeys
from app.features.second_factor.feature import second_factor
from app.features.superuser_factor.feature import superuser_factor

FEATURES: list[Feature] = [
    mail,
    second_factor,
    passkeys,
    superuser_factor,
]
