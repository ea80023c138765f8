"""What Schemathesis does around each case; see schemathesis.toml."""

import json
import os
import secrets
import uuid
from functools import cache
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import schemathesis
from schemathesis import AuthContext, Case, HookContext

URL = os.environ["API_URL"]
SUPERUSER, PASSWORD = os.environ["API_USER"], os.environ["API_PASSWORD"]
HOME = "192.0.2.1"  # the superuser's IP address, from which nobody guesses passwords


def somewhere() -> str:
    """A new client IP address for each request, as the rate limits would otherwise soon refuse everything."""
    return f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"


def ask(path: str, body: bytes | None, headers: dict[str, str]) -> dict[str, Any]:
    with urlopen(Request(URL + path, body, headers), timeout=300) as response:
        return dict(json.load(response))


def log_in(email: str, client_ip: str) -> str:
    form = urlencode({"username": email, "password": PASSWORD}).encode()
    return str(ask("/auth/access-token", form, {"X-Forwarded-For": client_ip})["access_token"])


def register() -> str:
    email = f"{secrets.token_hex(8)}@example.com"
    headers = {"X-Forwarded-For": somewhere(), "Content-Type": "application/json"}
    ask("/users/register", json.dumps({"email": email, "password": PASSWORD}).encode(), headers)
    return email


@cache
def superuser_id() -> str:
    return str(ask("/users/me", None, {"Authorization": f"Bearer {superuser_token()}"})["id"])


@cache  # a client may log in only so often
def superuser_token() -> str:
    return log_in(SUPERUSER, HOME)


ENDS_SESSIONS = {
    *("DELETE /users/me", "POST /users/reset-password", "POST /auth/logout-all"),
    "DELETE /auth/sessions/{session_id}",
}


@schemathesis.auth(refresh_interval=None)
class Login:
    def get(self, case: Case[Any], _: AuthContext) -> str:
        return log_in(register(), somewhere()) if case.operation.label in ENDS_SESSIONS else superuser_token()

    def set(self, case: Case[Any], data: str, _: AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(_: HookContext, case: Case[Any], _kwargs: dict[str, Any]) -> None:
    case.headers["X-Forwarded-For"] = somewhere()
    if (case.path_parameters or {}).get(
        "user_id"
    ) == superuser_id():  # taken from a response; later cases need this account
        case.path_parameters["user_id"] = str(uuid.uuid4())
