"""What tests of all routes have to know of the routes of passkeys."""

from app.features.passkeys.challenges import create_challenge, holder_of_registration
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
CREATION = {
    "user": {"id": base64url(CALLER.id.bytes)},
    "challenge": create_challenge("passkey registration", holder_of_registration(CALLER.id, CALLER.session_id)),
}
BODIES: dict[tuple[str, str], Json] = {
    ("POST", "/auth/passkeys"): {"json": Authenticator().create(CREATION)},
    ("POST", "/auth/passkeys/login"): {"json": Authenticator().get({"challenge": "x"})},
    ("POST", "/auth/browser/passkeys/login"): {"json": Authenticator().get({"challenge": "x"})},
}
WITHOUT_DATABASE = {("GET", "/.well-known/webauthn"), ("POST", "/auth/passkeys/login/options")}
OPEN_TO_ALL = WITHOUT_DATABASE | {("POST", "/auth/passkeys/login"), ("POST", "/auth/browser/passkeys/login")}
