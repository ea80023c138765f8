"""After SIGTERM readiness fails, load balancers stop sending requests, and only then the server closes."""

import asyncio
import signal
from typing import Any

from app.core.config import settings

_stopping = asyncio.Event()


def is_stopping() -> bool:
    return _stopping.is_set()


def uvicorn_server() -> Any:
    """The server of this process if it is Uvicorn, else None; call it before `delay_shutdown`."""
    # Doesn't import uvicorn, which another server would load for nothing.
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return server if hasattr(server, "should_exit") else None


def delay_shutdown(server: Any) -> None:
    """Put SHUTDOWN_DELAY between SIGTERM and uvicorn's graceful shutdown, and let that end with exit status 0.

    The entrypoint of another server has to delay the shutdown itself.
    """

    def close() -> None:
        server.should_exit = True

    def begin() -> None:
        if not _stopping.is_set():
            _stopping.set()
            loop.call_later(settings.shutdown_delay, close)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, begin)
