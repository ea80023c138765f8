"""What tests of all routes have to know of the routes of sign-in with others."""

from app.tests.helpers import PASSWORD, Json

NAMES = {
    "GET /auth/providers": "read_providers",
    "GET /auth/providers/{provider_id}/login": "begin_sign_in",
    "GET /auth/providers/{provider_id}/callback": "finish_sign_in",
    "POST /auth/providers/{provider_id}/callback": "receive_form_post",
    "POST /auth/providers/exchange": "exchange_sign_in_code",
    "GET /auth/identities": "read_my_identities",
    "DELETE /auth/identities/{identity_id}": "unlink_identity",
    "POST /auth/browser/providers/{provider_id}/link": "begin_link",
    "POST /auth/browser/providers/{provider_id}/reauthenticate": "begin_reauthentication",
    "GET /users/me/password": "read_whether_a_password_is_set",
    "POST /users/me/password": "set_first_password",
}
BODIES: dict[tuple[str, str], Json] = {
    ("POST", "/auth/providers/exchange"): {"json": {"code": "x", "code_verifier": "x" * 43}},
    ("POST", "/users/me/password"): {"json": {"new_password": PASSWORD}},
}
_OF_A_PROVIDER = {
    ("GET", "/auth/providers"),
    ("GET", "/auth/providers/{provider_id}/login"),
    ("GET", "/auth/providers/{provider_id}/callback"),
    ("POST", "/auth/providers/{provider_id}/callback"),
}
OPEN_TO_ALL = _OF_A_PROVIDER | {("POST", "/auth/providers/exchange")}
# Of a provider that isn't there, which is found out first.
WITHOUT_DATABASE = _OF_A_PROVIDER | {
    ("POST", "/auth/browser/providers/{provider_id}/link"),
    ("POST", "/auth/browser/providers/{provider_id}/reauthenticate"),
}
