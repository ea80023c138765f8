"""What tests of all routes have to know of those of API keys and roles."""

from app.tests.helpers import Json

BODIES: dict[tuple[str, str], Json] = {
    ("POST", "/auth/api-keys"): {"json": {"name": "CI"}},
    ("PUT", "/users/{user_id}/roles"): {"json": {"roles": ["support"]}},
}
WITHOUT_DATABASE: set[tuple[str, str]] = set()
OPEN_TO_ALL: set[tuple[str, str]] = set()
NAMES = {
    "POST /auth/api-keys": "create_api_key",
    "GET /auth/api-keys": "read_my_api_keys",
    "DELETE /auth/api-keys/{key_id}": "delete_my_api_key",
    "GET /users/{user_id}/roles": "read_roles_of_user",
    "PUT /users/{user_id}/roles": "replace_roles_of_user",
}
