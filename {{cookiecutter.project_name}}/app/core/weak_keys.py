"""Whether a SECRET_KEY is one that others may know."""

import re

MIN_SECRET_KEY_LENGTH = 32  # RFC 7518 section 3.2: an HS256 key has at least 256 bits
# A random key may contain one of these by chance, but not two, nor begin like an example.
PLACEHOLDER_WORDS = ("change", "default", "example", "password", "placeholder", "please", "random", "secret", "super")
PLACEHOLDER_START = re.compile(r"\W*(change|replace|insert|please)[\W_]*(me|this|it|change)|your[\W_]*(secret|jwt|key)")
SEQUENCES = ("0123456", "1234567", "abcdefg", "qwertyuiop")
PUBLISHED_KEYS = {"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"}  # FastAPI's tutorial


def is_weak_key(key: str) -> bool:
    """Whether a key is too short, repeats itself, reads like a text or an example, or is well known."""
    lower = key.lower()
    repeats = len(set(key)) < 8 or key in (key + key)[1:-1]
    is_text = key == lower and sum(sign.isdigit() for sign in key) < len(key) / 10
    is_example = sum(word in lower for word in PLACEHOLDER_WORDS) > 1 or PLACEHOLDER_START.match(lower) is not None
    is_known = lower in PUBLISHED_KEYS or any(sequence in lower for sequence in SEQUENCES)
    return len(key) < MIN_SECRET_KEY_LENGTH or repeats or is_text or is_example or is_known
