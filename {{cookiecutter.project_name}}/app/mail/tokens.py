"""Mail tokens: what a link in a mail carries. Plain functions, no HTTP, no database.

Nothing is stored of a token. It is a MAC over its purpose, the account, its expiry and the account's present state.
Using it changes that state, so it works once; and so does a new password or address, which ends all older ones.
"""

import base64
import json
import struct
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Protocol

from app.core.security import is_mac, mac

Purpose = Literal["recovery", "verification", "email_change"]
LIFETIMES: Final[dict[str, timedelta]] = {
    "recovery": timedelta(minutes=30),
    "verification": timedelta(hours=24),
    "email_change": timedelta(hours=24),
}
_BODY: Final = struct.Struct(">16sI")  # the account, and the Unix time at which the token expires


class AccountState(Protocol):
    """What a token depends on: a `User`, or a row with its columns."""

    id: Any
    email: Any
    email_verified_at: Any
    password_changed_at: Any
    pending_email: Any
    pending_email_at: Any


def create_mail_token(purpose: Purpose, account: AccountState, expires_at: datetime) -> str:
    body = _BODY.pack(account.id.bytes, int(expires_at.timestamp()))
    signature = mac(f"mail token: {purpose}", body + _state(purpose, account))
    return base64.urlsafe_b64encode(body + signature).decode().rstrip("=")


def account_of(token: str) -> uuid.UUID | None:
    """The account that an unexpired token names; whether the token is genuine is yet to be seen."""
    raw = _decode(token)
    if len(raw) < _BODY.size:
        return None
    user_id, expires_at = _BODY.unpack_from(raw)
    return uuid.UUID(bytes=user_id) if time.time() < expires_at else None


def is_genuine(token: str, purpose: Purpose, account: AccountState) -> bool:
    """Whether it was made for this purpose and for this account in its present state."""
    raw = _decode(token)
    body, claimed = raw[: _BODY.size], raw[_BODY.size :]
    return is_mac(f"mail token: {purpose}", body + _state(purpose, account), claimed)


def _state(purpose: Purpose, account: AccountState) -> bytes:
    state = [
        str(account.id),
        account.email,
        account.email_verified_at is not None,
        _utc(account.password_changed_at),
        *([account.pending_email, _utc(account.pending_email_at)] if purpose == "email_change" else []),
    ]
    return json.dumps(state).encode()


def _utc(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None


def _decode(token: str) -> bytes:
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""
