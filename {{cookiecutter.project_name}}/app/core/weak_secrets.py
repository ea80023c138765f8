"""Passwords and keys that attackers try first. Doesn't import the settings, as these are checked here, too."""

import re
import unicodedata
from pathlib import Path
from typing import Final

# The head of the file names its source and licence. Reading it takes 2 ms, keeping it 1 MB.
_LINES: Final = Path(__file__).with_name("common_passwords.txt").read_text(encoding="utf-8").partition("\n\n")[2]
_COMMON: Final = frozenset(_LINES.splitlines())

MIN_SECRET_KEY_LENGTH: Final = 32  # RFC 7518 section 3.2: an HS256 key has at least 256 bits
# A random key may contain one of these by chance, but not two, nor begin like an example.
_PLACEHOLDERS: Final = re.compile("change|default|example|password|placeholder|please|random|secret|super")
_PLACEHOLDER_START: Final = re.compile(
    r"\W*(change|replace|insert|please)[\W_]*(me|this|it|change)|your[\W_]*(secret|jwt|key)"
)
_SEQUENCES: Final = ("0123456", "1234567", "abcdefg", "qwertyuiop")
_PUBLISHED_KEYS: Final = {"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"}  # FastAPI's tutorial


def normalized(password: str) -> str:
    """The one spelling of a password, however its keyboard composes an é (NFC: NIST SP 800-63B-4, RFC 8265)."""
    return unicodedata.normalize("NFC", password)


def is_common(password: str) -> bool:
    """Whether a password is one of the commonest, whatever its case: attackers try both."""
    return normalized(password).lower() in _COMMON


def is_own_address(password: str, email: str) -> bool:
    """Whether a password is the email address, or the part before the @ (NIST SP 800-63B: context-specific words)."""
    address = normalized(email).casefold()
    return normalized(password).casefold() in {address, address.rpartition("@")[0]}


def is_weak_key(key: str) -> bool:
    """Whether a SECRET_KEY is too short, repeats itself, reads like a text or an example, or is well known."""
    lower = key.lower()
    repeats = len(set(key)) < 8 or key in (key + key)[1:-1]
    is_text = key == lower and sum(sign.isdigit() for sign in key) < len(key) / 10
    is_example = len(set(_PLACEHOLDERS.findall(lower))) > 1 or _PLACEHOLDER_START.match(lower) is not None
    is_known = lower in _PUBLISHED_KEYS or any(sequence in lower for sequence in _SEQUENCES)
    return len(key) < MIN_SECRET_KEY_LENGTH or repeats or is_text or is_example or is_known
