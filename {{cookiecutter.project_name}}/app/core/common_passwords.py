"""Passwords that attackers guess first. Doesn't import the settings, as these are checked here, too."""

from pathlib import Path
from typing import Final

# The head of the file names its source and licence. Reading it takes 2 ms, keeping it 1 MB.
_LINES: Final = Path(__file__).with_name("common_passwords.txt").read_text(encoding="utf-8").partition("\n\n")[2]
_COMMON: Final = frozenset(_LINES.splitlines())


def is_common(password: str) -> bool:
    """Whether a password is one of the commonest, whatever its case: attackers try both."""
    return password.lower() in _COMMON


def is_own_address(password: str, email: str) -> bool:
    """Whether a password is the email address, or the part before the @ (NIST SP 800-63B: context-specific words)."""
    address = email.casefold()
    return password.casefold() in {address, address.rpartition("@")[0]}
