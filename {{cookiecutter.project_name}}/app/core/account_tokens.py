"""Tokens that are good for one purpose and for one account in its present state: plain functions, no HTTP, no database.

Nothing is stored of a token. It is a MAC over its purpose, the account, its expiry and the account's present state: a
change of that state ends it.
"""

import base64
import json
import struct
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from app.core.security import is_mac, mac

_BODY: Final = struct.Struct(">16sI")  # the account, and the Unix time at which the token expires


def create_account_token(purpose: str, user_id: uuid.UUID, expires_at: float, state: Sequence[object]) -> str:
    """A token that expires at this Unix time, or when a value of `state` changes."""
    body = _BODY.pack(user_id.bytes, int(expires_at))
    return base64.urlsafe_b64encode(body + mac(purpose, body + _encode(state))).decode().rstrip("=")


def account_of(token: str) -> uuid.UUID | None:
    """The account that an unexpired token names, which need not be genuine."""
    raw = _decode(token)
    if len(raw) < _BODY.size:
        return None
    user_id, expires_at = _BODY.unpack_from(raw)
    return uuid.UUID(bytes=user_id) if time.time() < expires_at else None


def is_genuine(token: str, purpose: str, state: Sequence[object]) -> bool:
    """Whether a token was made for this purpose, and for an account in this state."""
    raw = _decode(token)
    return is_mac(purpose, raw[: _BODY.size] + _encode(state), raw[_BODY.size :])


def _encode(state: Sequence[object]) -> bytes:
    return json.dumps(state, default=_plain).encode()


def _plain(value: object) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


def _decode(token: str) -> bytes:
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""
