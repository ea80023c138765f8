"""The application with other settings, in a process of its own: settings are read once, when it is imported."""

import asyncio
import multiprocessing.forkserver
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")

_processes = multiprocessing.get_context("forkserver")
# Imported once and inherited by every process, which then starts in a tenth of a second.
_processes.set_forkserver_preload(
    [
        "alembic.command",
        "asyncpg",
        "bcrypt",
        "email_validator",
        "fastapi.middleware.cors",
        "fastapi.staticfiles",
        "httpx",
        "jose.jwt",
        "passlib.context",
        "passlib.handlers.bcrypt",
        "pydantic.v1",
        "pydantic_settings",
        "pytest",
        "sqlalchemy.dialects.postgresql.asyncpg",
        "sqlalchemy.ext.asyncio",
        "uvicorn.middleware.proxy_headers",
    ]
)


def get_ready() -> None:
    """Begin, in the background, what the first call would have to wait for."""
    multiprocessing.forkserver.ensure_running()


async def elsewhere(
    environment: dict[str, str], function: Callable[..., Coroutine[Any, Any, Result]], *arguments: object
) -> Result:
    """Call an async function, one at the top of its file, in a new process with these variables besides ours."""
    pool = ProcessPoolExecutor(1, _processes, _set_environment, (dict(os.environ) | environment,))
    try:
        return await asyncio.get_running_loop().run_in_executor(pool, _call, function, arguments)
    finally:
        pool.shutdown()


def _set_environment(variables: dict[str, str]) -> None:
    os.environ.update(variables)


def _call(function: Callable[..., Coroutine[Any, Any, Result]], arguments: tuple[object, ...]) -> Result:
    return asyncio.run(function(*arguments))
