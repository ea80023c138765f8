"""What tests of all routes have to know of mail's."""

from app.tests.helpers import CALLER, PASSWORD, Json

BODIES: dict[tuple[str, str], Json] = {
    ("POST", "/auth/forgot-password"): {"json": {"email": CALLER.email}},
    ("POST", "/auth/recover-password"): {"json": {"token": "x", "new_password": PASSWORD}},
    ("POST", "/auth/verify-email"): {"json": {"token": "x"}},
    ("POST", "/users/me/email"): {"json": {"email": CALLER.email, "current_password": PASSWORD}},
}
WITHOUT_DATABASE: set[tuple[str, str]] = set()
OPEN_TO_ALL = {
    ("POST", "/auth/forgot-password"),
    ("POST", "/auth/recover-password"),
    ("POST", "/auth/verify-email"),
}
NAMES = {
    "POST /auth/forgot-password": "forgot_password",
    "POST /auth/recover-password": "recover_password",
    "POST /auth/request-verification": "request_verification",
    "POST /auth/verify-email": "verify_email",
    "GET /users/me/email": "read_my_email",
    "POST /users/me/email": "change_my_email",
}
