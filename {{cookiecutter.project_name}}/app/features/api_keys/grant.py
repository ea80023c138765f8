"""The grant `client_credentials`: a program exchanges its key for a short token (RFC 6749 section 4.4)."""

import base64
import time
import uuid
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_plus

from fastapi import Request
from sqlalchemy import Row, bindparam, select

from app.api.errors import documented
from app.api.grants import Grant
from app.api.oauth_errors import OAuthError, Refusal
from app.auth.claims import CLAIMS, CLAIMS_COLUMN
from app.auth.clients import Client
from app.core.config import settings
from app.core.database import Database
from app.core.security import create_access_token
from app.features.api_keys.callers import caller_of, check_key
from app.features.api_keys.keys import Key, is_secret, read_key
from app.features.api_keys.schemas import ClientCredentialsForm, ClientTokenResponse
from app.models import User

INVALID_CLIENT: Final = Refusal("invalid_client", "Invalid client id or secret", 401)
INVALID_SCOPE: Final = Refusal("invalid_scope", "The key doesn't have these scopes")
TWICE: Final = Refusal("invalid_request", "Send the client's secret in one way only")
MAX_SCOPE_LENGTH: Final = 2000
MAX_ID_LENGTH: Final = 100
_CLAIMS: Final = select(CLAIMS_COLUMN).where(User.id == bindparam("user_id"))
CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="token", charset="UTF-8"'}


async def issue_token(
    database: Database, form: ClientCredentialsForm, request: Request, client: Client
) -> ClientTokenResponse:
    """A token for the key's owner. Raises OAuthError and RateLimitedError."""
    key = _key_in(form, request.headers.get("Authorization", ""))
    row = key and await check_key(database, key, client)
    if not row:
        raise OAuthError(INVALID_CLIENT, CHALLENGE)
    has = caller_of(row, row.key_scopes).granted or frozenset()
    wanted = frozenset(form.scope[: MAX_SCOPE_LENGTH + 1].split()) or has
    if not wanted <= has or len(form.scope) > MAX_SCOPE_LENGTH:
        raise OAuthError(INVALID_SCOPE)
    claims = await database.fetch_one(_CLAIMS, {"user_id": row.id}) if CLAIMS else None
    return _issue(row, " ".join(sorted(wanted)), claims.claims if claims else {})


def _issue(row: Row[Any], scope: str, claims: Mapping[str, Any]) -> ClientTokenResponse:
    now = int(time.time())
    expires_at = now + settings.access_token_expire_minutes * 60
    if row.expires_at is not None:
        expires_at = min(expires_at, int(row.expires_at.timestamp()))
    more = {**claims, "client_id": str(row.key_id), "scope": scope}
    token = create_access_token(row.id, row.session_id, now, expires_at, more)
    return ClientTokenResponse(access_token=token, expires_in=expires_at - now, scope=scope)


def _key_in(form: ClientCredentialsForm, authorization: str) -> Key | None:
    """The key in the header or the form, if it has the right shape. Raises the 400 if it is in both."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return _key(form.client_id, form.client_secret)
    if form.client_secret:
        raise OAuthError(TWICE)
    try:
        client_id, _, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        return None
    return _key(unquote_plus(client_id), unquote_plus(secret))  # RFC 6749 section 2.3.1; ours have nothing to quote


def _key(client_id: str, secret: str) -> Key | None:
    """As a secret, the whole key is as good as its part that is secret."""
    if len(client_id) > MAX_ID_LENGTH:
        return None
    try:
        key_id = uuid.UUID(client_id)
    except ValueError:
        return None
    key = read_key(secret) or (Key(key_id, secret) if is_secret(secret) else None)
    return key if key and key.id == key_id else None


client_credentials: Final = Grant(
    description="With an API key, `client_credentials` gets a token for a program: the key's id is the `client_id`, "
    "and the key the `client_secret`, by HTTP Basic or in the form.",
    form=ClientCredentialsForm,
    issue=issue_token,
    response=ClientTokenResponse,
    errors=documented(401, INVALID_CLIENT.detail, header="WWW-Authenticate"),
    refusals=[INVALID_CLIENT, INVALID_SCOPE, TWICE],
    flow="clientCredentials",
    auth_methods=["client_secret_basic", "client_secret_post"],
)
