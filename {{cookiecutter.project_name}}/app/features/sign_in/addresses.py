"""Email addresses, as providers write them."""

import string
from typing import Final

from pydantic import TypeAdapter

from app.models import EMAIL_MAX_LENGTH
from app.schemas.requests import Email

_EMAIL: Final[TypeAdapter[str]] = TypeAdapter(Email)
_ASCII_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def read_address(text: object, is_verified: bool) -> tuple[str | None, bool]:
    """An address in the spelling of our accounts, None if no account can have it, and whether it counts as verified.

    It doesn't where our spelling of its local part isn't that of the provider but for ASCII capitals: `K` (U+212A)
    becomes `k`, and at the provider these may be the mailboxes of two people.
    """
    if not isinstance(text, str) or len(text) > EMAIL_MAX_LENGTH:
        return None, False
    try:
        email = _EMAIL.validate_python(text)
    except ValueError:
        return None, False
    same = email.rpartition("@")[0] == text.translate(_ASCII_LOWER).rpartition("@")[0]
    return email, is_verified and same
