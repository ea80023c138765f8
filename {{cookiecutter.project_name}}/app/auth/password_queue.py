"""The bounded queue for hashing passwords, in which no network or account can keep others from their turn."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from app.auth.rate_limits import RateLimitedError
from app.core.passwords import PASSWORD_THREADS

PLACES: Final = 256  # with the default rounds and two cores, a full queue is half a minute's work
PLACES_OF_ONE: Final = 32
# One network or account never has more in the common queue; the rest of its passwords wait in a queue of their own.
AT_ONCE_OF_ONE: Final = PASSWORD_THREADS // 2


class PasswordQueueFullError(Exception):
    """Too many passwords are waiting to be hashed."""


class PasswordQueue:
    def __init__(self) -> None:
        self._threads = asyncio.Semaphore(PASSWORD_THREADS)
        self._turns: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE_OF_ONE))
        self._taken: Counter[str] = Counter()
        self._all_taken = 0

    def check_for_room(self, *subjects: str) -> None:
        """Raises PasswordQueueFullError, or RateLimitedError if one of the subjects alone has too many places."""
        if self._all_taken >= PLACES:
            raise PasswordQueueFullError
        if any(self._taken[subject] >= PLACES_OF_ONE for subject in subjects):
            raise RateLimitedError(retry_after=1)

    @asynccontextmanager
    async def turn(self, *subjects: str) -> AsyncIterator[None]:
        """Wait for a thread for these subjects, a network and maybe an account. Raises like `check_for_room`."""
        self.check_for_room(*subjects)
        self._all_taken += 1
        self._taken.update(subjects)
        try:
            async with AsyncExitStack() as held:
                for subject in subjects:
                    await held.enter_async_context(self._turns[subject])
                await held.enter_async_context(self._threads)
                yield
        finally:
            self._all_taken -= 1
            self._taken.subtract(subjects)
            for subject in subjects:
                if not self._taken[subject]:
                    del self._taken[subject]
                    self._turns.pop(subject, None)


password_queue = PasswordQueue()
