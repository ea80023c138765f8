"""Sends emails, and counts them, while the application serves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final

from app.core.config import settings
from app.core.database import Database
from app.features.mail.sender import Sender
from app.features.mail.settings import mail_settings

# Seconds between two emails. Each takes 8 ms of processor time: of a process that also serves, a bulk of them would
# take more than half. With the pause it takes an eighth, and 1,000 emails take 75 seconds.
PAUSE: Final = 0.06
STOP_TIMEOUT: Final = 10  # seconds for the email that is being sent when the process is told to stop


@asynccontextmanager
async def sending(database: Database) -> AsyncIterator[None]:
    """Send emails meanwhile, if this process is to; then finish the one under way."""
    async with AsyncExitStack() as running:
        if mail_settings.mail_url and settings.metrics_port:
            from app.features.mail.metrics import counting  # noqa: PLC0415 — prometheus_client is only loaded where it is used

            await running.enter_async_context(counting(database))
        if mail_settings.mail_url and mail_settings.mail_sender == "server":
            await running.enter_async_context(_sending(database))
        yield


@asynccontextmanager
async def _sending(database: Database) -> AsyncIterator[None]:
    sender = Sender(database, pause=PAUSE)
    task = asyncio.create_task(sender.run())
    try:
        yield
    finally:
        sender.stop()
        await asyncio.wait([task], timeout=STOP_TIMEOUT)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
