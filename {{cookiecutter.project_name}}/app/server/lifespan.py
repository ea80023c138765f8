"""What happens when a process starts and ends."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app.core.database import database
from app.mail.sender import sending
from app.server.connections import warn_of_too_few_connections
from app.server.shutdown import delay_shutdown


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    delay_shutdown()
    await warn_of_too_few_connections()
    # What is imported by now stays. Frozen, it no longer costs 30 ms each time the garbage collector walks everything.
    gc.collect()
    gc.freeze()
    async with sending(database):
        yield
    await database.dispose()
