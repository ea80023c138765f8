"""Sends emails in a process of its own: `python -m app.features.mail`, with MAIL_SENDER=process. Ends on SIGTERM."""

import asyncio
import signal
import sys
from contextlib import AsyncExitStack

from app.core.config import settings
from app.core.database import database
from app.features.mail.sender import Sender
from app.features.mail.settings import mail_settings
from app.server.logging import set_up_logging


async def main() -> None:
    sender = Sender(database)
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(ending, sender.stop)
    async with AsyncExitStack() as running:
        if settings.metrics_port:
            from app.features.mail.metrics import counting  # noqa: PLC0415 — prometheus_client is only loaded where it is used
            from app.server.metrics import listen  # noqa: PLC0415

            await running.enter_async_context(await listen(settings.metrics_port))
            await running.enter_async_context(counting(database))
        await sender.run()
    await database.dispose()


if __name__ == "__main__":
    if mail_settings.mail_url is None:
        sys.exit("MAIL_URL is not set: there are no emails to send.")
    set_up_logging()
    asyncio.run(main())
