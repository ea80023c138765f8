"""Hashes and checks passwords, in threads of their own."""

import asyncio
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final, NamedTuple, TypeVar

from passlib.context import CryptContext
from passlib.exc import PasswordValueError

from app.core.config import settings

T = TypeVar("T")


# bcrypt alone stops at 72 bytes and at NUL; bcrypt_sha256 hands it a digest, so every character counts. Hashes with
# other rounds, or of plain bcrypt from an older system, still verify and are renewed at the next login.
@cache
def _context(rounds: int) -> CryptContext:
    return CryptContext(["bcrypt_sha256", "bcrypt"], deprecated="auto", bcrypt_sha256__rounds=rounds)


def _nobodys_hash() -> str:
    """A well-formed hash of no password: checking against it takes as long as against a real one."""
    return f"$bcrypt-sha256$v=2,t=2b,r={settings.security_bcrypt_rounds}${'.' * 22}${'.' * 31}"


# bcrypt releases the GIL: in its own threads it uses every core and, at a lower priority, doesn't delay the event loop.
# At least two: see auth/password_queue.py.
PASSWORD_THREADS: Final = max(2, os.cpu_count() or 1)


def _lower_priority() -> None:
    if sys.platform == "linux":  # elsewhere, threads have no priority of their own
        os.setpriority(os.PRIO_PROCESS, 0, 5)


_password_threads = ThreadPoolExecutor(PASSWORD_THREADS, "password", _lower_priority)


class PasswordCheck(NamedTuple):
    is_correct: bool
    renewed_hash: str | None  # replaces a hash with other rounds or of an older scheme


async def hash_password(password: str) -> str:
    """Hash a password of at most 4096 characters; ValueError for a longer one or a lone surrogate."""
    return await _in_password_thread(_context(settings.security_bcrypt_rounds).hash, password)


async def check_password(password: str, hashed_password: str | None) -> PasswordCheck:
    """Check a password; without a hash to check against the result is False, after the same time.

    Raises ValueError for a password that `hash_password` refuses and for a hash of an unknown scheme.
    """
    return await _in_password_thread(_check_password, password, hashed_password or _nobodys_hash())


def _check_password(password: str, hashed_password: str) -> PasswordCheck:
    context = _context(settings.security_bcrypt_rounds)
    try:
        return PasswordCheck(*context.verify_and_update(password, hashed_password))
    except PasswordValueError:  # plain bcrypt refuses NUL, so this can't be the password; takes the same time
        return PasswordCheck(context.verify(password, _nobodys_hash()), None)


async def _in_password_thread(function: Callable[..., T], *arguments: str) -> T:
    return await asyncio.get_running_loop().run_in_executor(_password_threads, function, *arguments)
