"""Hashes and checks passwords, in threads of their own."""

import asyncio
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final, NamedTuple, TypeVar

from passlib.context import CryptContext

from app.core.config import settings
from app.core.weak_secrets import normalized

T = TypeVar("T")

MAX_ROUNDS: Final = 20  # as SECURITY_BCRYPT_ROUNDS; a stored hash with 31 would keep a thread for a day


# bcrypt alone stops at 72 bytes and at NUL; bcrypt_sha256 hands it a digest, so every character counts. Hashes with
# other rounds, or of plain bcrypt from an older system, still verify and are renewed at the next login.
@cache
def _context(rounds: int) -> CryptContext:
    return CryptContext(["bcrypt_sha256", "bcrypt"], deprecated="auto", bcrypt_sha256__rounds=rounds)


def _nobodys_hash(rounds: int) -> str:
    """A well-formed hash of no password: checking against it takes as long as against a real one."""
    return f"$bcrypt-sha256$v=2,t=2b,r={rounds}${'.' * 22}${'.' * 31}"


# bcrypt releases the GIL: in its own threads it uses every core and, at a lower priority, doesn't delay the event loop.
# At least two: see auth/password_queue.py.
PASSWORD_THREADS: Final = max(2, os.cpu_count() or 1)


def _lower_priority() -> None:
    if sys.platform == "linux":  # elsewhere, threads have no priority of their own
        os.setpriority(os.PRIO_PROCESS, 0, 5)


_password_threads = ThreadPoolExecutor(PASSWORD_THREADS, "password", _lower_priority)


class PasswordCheck(NamedTuple):
    is_correct: bool
    renewed_hash: str | None  # replaces a hash with other rounds, of an older scheme, or of a password before NFC


async def hash_password(password: str) -> str:
    """Hash a password of at most 4096 characters; ValueError for a longer one or a lone surrogate."""
    return await _in_password_thread(_context(settings.security_bcrypt_rounds).hash, normalized(password))


async def check_password(password: str, hashed_password: str | None) -> PasswordCheck:
    """Check a password. Without a hash, or with text that is no hash of ours, the result is False, in the same time.

    So `!` in that column switches the password off, and a row from another system can't break the login.
    """
    return await _in_password_thread(_check_password, password, hashed_password or "")


def _check_password(password: str, hashed_password: str) -> PasswordCheck:
    check = _check_spelling(normalized(password), hashed_password)
    if normalized(password) == password:
        return check
    # Hashes from before NFC are of the password as it was typed. This check comes whatever the first one said, and for
    # unknown accounts, too: its time tells nobody anything.
    as_typed = _check_spelling(password, hashed_password)
    if as_typed.is_correct and not check.is_correct:
        return PasswordCheck(True, _context(settings.security_bcrypt_rounds).hash(normalized(password)))
    return check


def _check_spelling(password: str, hashed_password: str) -> PasswordCheck:
    rounds = settings.security_bcrypt_rounds
    context = _context(rounds)
    try:
        stored_rounds = _rounds_of(hashed_password, context)
        check = PasswordCheck(*context.verify_and_update(password, hashed_password))
    except ValueError:  # not a hash of ours, or it can't be of this password, which has a NUL or a lone surrogate
        return PasswordCheck(context.verify("", _nobodys_hash(rounds)), None)
    if not check.is_correct:  # each round doubles the time: these add up to what is missing
        for missing in range(stored_rounds, rounds):
            context.verify("", _nobodys_hash(missing))
    return check


def _rounds_of(hashed_password: str, context: CryptContext) -> int:
    """Raises ValueError for a hash that can't be checked, or not within a reasonable time."""
    scheme = context.identify(hashed_password, resolve=True, required=True)
    rounds = int(scheme.from_string(hashed_password).rounds)
    if rounds > MAX_ROUNDS:
        raise ValueError(f"A hash with {rounds} rounds")
    return rounds


async def _in_password_thread(function: Callable[..., T], *arguments: str) -> T:
    return await asyncio.get_running_loop().run_in_executor(_password_threads, function, *arguments)
