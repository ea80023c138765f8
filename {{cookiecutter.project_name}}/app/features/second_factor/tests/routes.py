"""What tests of all routes have to know of those of second factors."""

from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from app.auth.accounts import Account
from app.features.second_factor import login
from app.tests.helpers import CALLER, Json

ACCOUNT = Account(CALLER.id, CALLER.email, "", datetime.now(UTC), None, None, knows_client=False)
with patch.object(login, "MFA_TOKEN_LIFETIME", timedelta(days=1)):  # however long it is until a test uses it
    LOGIN = {"json": {"mfa_token": login.create_mfa_token(ACCOUNT), "code": "000000"}}
BODIES: dict[tuple[str, str], Json] = {
    ("POST", "/auth/totp/confirm"): {"json": {"code": "000000"}},
    ("POST", "/auth/second-factor"): LOGIN,
    ("POST", "/auth/browser/second-factor"): LOGIN,
}
WITHOUT_DATABASE: set[tuple[str, str]] = set()
OPEN_TO_ALL = {
    ("POST", "/auth/second-factor"),
    ("POST", "/auth/browser/second-factor"),
}
NAMES = {
    "GET /auth/second-factor": "read_my_second_factor",
    "POST /auth/second-factor": "log_in_with_second_factor",
    "POST /auth/browser/second-factor": "log_in_with_second_factor_browser",
    "POST /auth/totp": "set_up_totp",
    "POST /auth/totp/confirm": "confirm_totp",
    "DELETE /auth/totp": "remove_totp",
    "POST /auth/recovery-codes": "renew_recovery_codes",
    "DELETE /users/{user_id}/second-factor": "remove_second_factors_of_user",
}
