"""Whether a SECRET_KEY is one that others may know."""

import re

MIN_SECRET_KEY_LENGTH = 32  # RFC 7518 section 3.2: an HS256 key has at least 256 bits
# Words of placeholders. A random key may contain one of them by chance, so one alone is no reason to refuse it.
PLACEHOLDER_WORDS = re.compile(
    "change(?:d|me|this)?|replace(?:me|this)?|insert|please|must|should|keep|todo|fixme|placeholder|example|sample|demo"
    "|dummy|foobar|test(?:ing)?|env(?:ironment)?|prod(?:uction)?|insecure|safe|your|some|that|this|with|here|very|super"
    "|long|random|secret|key|jwt|signing|token|password|name|value|default|string|at least|characters|bytes|bits"
    "|abcdef(?:ghijklmnopqrstuvwxyz)?|qwerty(?:uiop)?|asdf(?:ghjkl)?|zxcv(?:bnm)?|0?123456(?:78)?9?0?|[^a-z0-9]"
)
# How examples begin, whatever follows. One of 10 ** 11 random keys begins like this.
PLACEHOLDER_START = re.compile(
    r"\W*(please)?[\W_]*(change|replace|insert)[\W_]*(me|this|it)|yoursecret|your[\W_]+(secret|jwt|key)"
)
PUBLISHED_KEYS = {"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"}  # FastAPI's tutorial


def is_weak_key(key: str) -> bool:
    """Whether a key is too short, repeats a few characters, is mostly placeholder words or is well known."""
    lower = key.lower()
    repeats = len(set(key)) < 8 or key in (key + key)[1:-1]
    is_placeholder = PLACEHOLDER_START.match(lower) or len(PLACEHOLDER_WORDS.sub("", lower)) < len(key) / 2
    return len(key) < MIN_SECRET_KEY_LENGTH or repeats or bool(is_placeholder) or lower in PUBLISHED_KEYS
