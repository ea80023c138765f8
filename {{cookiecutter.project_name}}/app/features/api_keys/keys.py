"""What an API key looks like: `<project>_<id>_<secret>_<checksum>`, all but the project in hexadecimal digits.

Scanners recognise it by its shape, and a typo by its checksum, without a query. Nothing here has to be kept secret but
the secret.
"""

import hashlib
import re
import secrets
import uuid
import zlib
from typing import Final, NamedTuple

from app.core.config import PROJECT

PREFIX: Final = re.sub(r"[^a-z0-9]", "", str(PROJECT["name"]).lower()) or "api"
SECRET_BYTES: Final = 20
START_LENGTH: Final = len(PREFIX) + 1 + 8  # what lists show of a key
# With any project's name: one that is renamed keeps its keys.
SHAPE: Final = re.compile(r"([a-z0-9]{1,100}_([0-9a-f]{32})_([0-9a-f]{40}))_([0-9a-f]{8})", re.ASCII)


class Key(NamedTuple):
    id: uuid.UUID
    secret: str


def new_key() -> Key:
    return Key(uuid.uuid4(), secrets.token_hex(SECRET_BYTES))


def text_of(key: Key) -> str:
    text = f"{PREFIX}_{key.id.hex}_{key.secret}"
    return f"{text}_{_checksum(text)}"


def start_of(key_id: uuid.UUID) -> str:
    """The beginning of a key, by which its owner recognises it."""
    return f"{PREFIX}_{key_id.hex}"[:START_LENGTH]


def looks_like_a_key(text: str) -> bool:
    return SHAPE.fullmatch(text) is not None


def read_key(text: str) -> Key | None:
    """The parts of a key; None if that isn't one, or has a typo."""
    match = SHAPE.fullmatch(text)
    if match is None or _checksum(match[1]) != match[4]:
        return None
    return Key(uuid.UUID(match[2]), match[3])


def hash_of(secret: str) -> bytes:
    """What the database stores. A secret of 160 random bits needs no salt, and no slow hash."""
    return hashlib.sha256(secret.encode()).digest()


def is_secret(text: str) -> bool:
    """Whether it may be the secret of a key."""
    return re.fullmatch(r"[0-9a-f]{40}", text, re.ASCII) is not None


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"
