"""Challenges: what an authenticator signs, so that nothing which it has signed before is of use.

A challenge contains its own expiry, and a MAC says for what and for whom it is; nothing is stored until it is used.
Then its row in spent_challenges keeps it from being used again.
"""

import os
import struct
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from fido2.utils import websafe_decode, websafe_encode
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert

from app.auth.expired import expired_rows
from app.core.security import is_mac, mac
from app.features.passkeys.models import SpentChallenge

Purpose = Literal["passkey registration", "passkey login"]

CHALLENGE_LIFETIME: Final = timedelta(minutes=5)
_BODY: Final = struct.Struct(">16sI")  # a nonce, and the Unix time at which it expires; then comes the MAC


def create_challenge(purpose: Purpose, holder: bytes = b"") -> str:
    """A challenge in base64url, good for one purpose and, if there is one, for one holder."""
    body = _BODY.pack(os.urandom(16), int(time.time() + CHALLENGE_LIFETIME.total_seconds()))
    return websafe_encode(body + mac(purpose, body + holder))


def holder_of_registration(user_id: uuid.UUID, session_id: uuid.UUID) -> bytes:
    """Who may use the challenge: this session only, as another may be a thief's, who has proved nothing."""
    return user_id.bytes + session_id.bytes


def read_challenge(text: str, purpose: Purpose, holder: bytes) -> bytes | None:
    """The challenge, if it is ours, spelled as we sent it, and not expired. Raises if the text can't be one."""
    challenge = websafe_decode(text)
    body, claimed = challenge[: _BODY.size], challenge[_BODY.size :]
    # WebAuthn sections 7.1 and 7.2 compare the text; websafe_decode skips what isn't base64url.
    is_ours = is_mac(purpose, body + holder, claimed) and websafe_encode(challenge) == text
    return challenge if is_ours and time.time() < _BODY.unpack(body)[1] else None


def spending(challenge: bytes) -> ReturningInsert[Any]:
    """The statement that spends a challenge; only the first returns a row."""
    nonce, expires_at = _BODY.unpack_from(challenge)
    # Kept for longer than the challenge is good, as the database's clock may be ahead of ours.
    kept_until = datetime.fromtimestamp(expires_at, UTC) + CHALLENGE_LIFETIME
    new = insert(SpentChallenge).values(challenge=nonce, expires_at=kept_until).on_conflict_do_nothing()
    return new.returning(SpentChallenge.challenge).add_cte(expired_rows(SpentChallenge.expires_at))
