"""What tests of all routes have to know of those of second factors."""

from datetime import UTC, datetime

from app.auth.accounts import Account
from app.features.second_factor.login import create_mfa_token
from app.tests.helpers import CALLER, Json

ACCOUNT = Account(CALLER.id, CALLER.email, "", datetime.now(UTC), None, None, knows_client=False)
LOGIN = {"json": {"mfa_token": create_mfa_token(ACCOUNT), "code": "000000"}}
BODIES: dict[tuple[str, str], Json] = {
    ("POST", "/auth/totp/confirm"): {"json": {"code": "000000"}},
    ("POST", "/auth/second-factor"): LOGIN,
    ("POST", "/auth/browser/second-factor"): LOGIN,
}
WITHOUT_DATABASE: set[tuple[str, str]] = set()
