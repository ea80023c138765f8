"""What tests of all routes have to know of the routes of passkeys."""

from app.features.passkeys.challenges import create_challenge, holder_of_registration
from app.features.passkeys.tests.authenticator import Authenticator, base64url
from app.tests.helpers import CALLER, Json

REGISTRATION = {
    "user": {"id": base64url(CALLER.id.bytes)},
    "challenge": create_challenge("passkey registration", holder_of_registration(CALLER.id, CALLER.session_id)),
}
BODIES: dict[tuple[str, str], Json] = {
    ("POST", "/auth/passkeys"): {"json": Authenticator().create(REGISTRATION)},
    ("POST", "/auth/passkeys/login"): {"json": Authenticator().get({"challenge": "x"})},
    ("POST", "/auth/browser/passkeys/login"): {"json": Authenticator().get({"challenge": "x"})},
}
WITHOUT_DATABASE = {("GET", "/.well-known/webauthn"), ("POST", "/auth/passkeys/login/options")}
OPEN_TO_ALL = WITHOUT_DATABASE | {("POST", "/auth/passkeys/login"), ("POST", "/auth/browser/passkeys/login")}
