"""Who sends a key, or a token that a key was exchanged for: one query for the key, its owner, scopes and roles."""

import uuid
from collections.abc import Iterable
from hmac import compare_digest
from typing import Any, Final

from sqlalchemy import Row, bindparam, func, select

from app.auth.audit import audit
from app.auth.caller import Bearer, Caller, superuser_rules
from app.auth.clients import Client
from app.auth.rate_limits import RateLimitedError
from app.core.database import Database
from app.core.security import AccessClaims, read_access_token
from app.features.api_keys import wrong_keys
from app.features.api_keys.keys import Key, hash_of, looks_like_a_key, read_key
from app.features.api_keys.models import ApiKey, UserRole
from app.features.api_keys.roles import scopes_of_account, scopes_of_roles
from app.features.api_keys.uses import NEEDS_NOTE, end_key, end_tokens, note_use
from app.models import User

_ROLES: Final = select(func.array_agg(UserRole.role)).where(UserRole.user_id == User.id).scalar_subquery()
_BY_ID: Final = (
    select(
        User.__table__,
        ApiKey.id.label("key_id"),
        ApiKey.secret_hash,
        ApiKey.scopes.label("key_scopes"),
        ApiKey.login_method,
        ApiKey.session_id,
        ApiKey.expires_at,
        func.coalesce(ApiKey.expires_at <= func.now(), False).label("is_expired"),
        NEEDS_NOTE.label("needs_note"),
        _ROLES.label("roles"),  # None if there are none
    )
    .join_from(User, ApiKey, ApiKey.user_id == User.id)
    .where(ApiKey.id == bindparam("key_id"))
)


async def check_key(database: Database, key: Key, client: Client) -> Row[Any] | None:
    """The key's row with its owner's, if it is good. One query, none for a network of too many wrong keys.

    Raises RateLimitedError.
    """
    secret_hash = hash_of(key.secret)
    wrong_keys.check(client, secret_hash)
    row = await database.fetch_one(_BY_ID, {"key_id": key.id})
    if row is None or not compare_digest(secret_hash, row.secret_hash) or row.is_expired or not row.is_active:
        wrong_keys.count(client, secret_hash)
        audit("api_key_refused", client, row.id if row else None)
        return None
    wrong_keys.remember(secret_hash)
    if row.needs_note:
        note_use(database, row.key_id)
    return row


def caller_of(row: Row[Any], scopes: Iterable[str]) -> Caller:
    """The owner as a caller with these scopes, as far as the key and, now, the owner have them."""
    columns = dict(row._mapping, is_recent=False, is_program=True)
    is_superuser = row.is_superuser and all(rule.is_met(Caller(**columns)) for rule in superuser_rules)
    of_account = scopes_of_account(is_superuser=is_superuser, of_roles=scopes_of_roles(row.roles or ()))
    granted = of_account.intersection(scopes, row.key_scopes)
    # Routes of one's own may ask for `is_superuser`: not with a key that can do less.
    return Caller(**columns | {"granted": granted, "is_superuser": is_superuser and "users:write" in granted})


async def _find_caller_by_key(database: Database, text: str, client: Client) -> Caller | None:
    key = read_key(text)
    row = key and await check_key(database, key, client)
    return caller_of(row, row.key_scopes) if row else None


async def _end_by_key(database: Database, text: str, client: Client) -> None:
    """Whoever finds a key can end it."""
    key = read_key(text)
    try:
        row = key and await check_key(database, key, client)
    except RateLimitedError:  # revocation says the same to everybody
        return
    if row:
        await end_key(database, row.id, row.key_id, client)


by_key: Final = Bearer(looks_like_a_key, _find_caller_by_key, _end_by_key)


def _read_token(token: str) -> tuple[uuid.UUID, AccessClaims] | None:
    """The key's id, and the claims of a token that it was exchanged for; None for other tokens."""
    claims = read_access_token(token)
    try:
        return (uuid.UUID(claims.client_id), claims) if claims and claims.client_id else None
    except ValueError:
        return None


async def _find_caller_by_token(database: Database, token: str, _: Client) -> Caller | None:
    read = _read_token(token)
    if read is None:
        return None
    key_id, claims = read
    row = await database.fetch_one(_BY_ID, {"key_id": key_id})
    if row is None or row.is_expired or not row.is_active:
        return None
    if (row.id, row.session_id) != (claims.user_id, claims.session_id):
        return None
    if row.needs_note:
        note_use(database, row.key_id)
    return caller_of(row, claims.scopes or ())


async def _end_by_token(database: Database, token: str, client: Client) -> None:
    if read := _read_token(token):
        key_id, claims = read
        await end_tokens(database, key_id, claims.session_id, client)


by_token: Final = Bearer(lambda token: _read_token(token) is not None, _find_caller_by_token, _end_by_token)
