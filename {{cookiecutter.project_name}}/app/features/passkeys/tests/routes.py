"""What tests of all routes have to know of the routes of passkeys."""

from datetime import timedelta
from unittest.mock import patch

from app.features.passkeys import challenges
from app.features.passkeys.tests.authenticator import Authenticator, base64url
from app.tests.helpers import CALLER, Json

NAMES = {
    "GET /auth/passkeys": "read_my_passkeys",
    "POST /auth/passkeys": "register_passkey",
    "POST /auth/passkeys/options": "begin_passkey_registration",
    "DELETE /auth/passkeys/{passkey_id}": "remove_passkey",
    "POST /auth/passkeys/login/options": "begin_passkey_login",
    "POST /auth/passkeys/login": "log_in_with_passkey",
    "POST /auth/browser/passkeys/login": "log_in_with_passkey_browser",
    "GET /.well-known/webauthn": "read_related_origins",
}
HOLDER = challenges.holder_of_registration(CALLER.id, CALLER.session_id)
with patch.object(challenges, "CHALLENGE_LIFETIME", timedelta(days=1)):  # however long it is until a test uses it
    CHALLENGE = challenges.create_challenge("passkey registration", HOLDER)
CREATION = {"user": {"id": base64url(CALLER.id.bytes)}, "challenge": CHALLENGE}
BODIES: dict[tuple[str, str], Json] = {
    ("POST", "/auth/passkeys"): {"json": Authenticator().create(CREATION)},
    ("POST", "/auth/passkeys/login"): {"json": Authenticator().get({"challenge": "x"})},
    ("POST", "/auth/browser/passkeys/login"): {"json": Authenticator().get({"challenge": "x"})},
}
WITHOUT_DATABASE = {("GET", "/.well-known/webauthn"), ("POST", "/auth/passkeys/login/options")}
OPEN_TO_ALL = WITHOUT_DATABASE | {("POST", "/auth/passkeys/login"), ("POST", "/auth/browser/passkeys/login")}
