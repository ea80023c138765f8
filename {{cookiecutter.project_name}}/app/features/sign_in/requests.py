"""Requests to providers: bounded in time and size, and nowhere but where they are sent."""

import asyncio
import json
import ssl
from functools import cache
from typing import Any, Final

import httpx

from app.features.sign_in.providers import InvalidAnswerError, ProviderUnavailableError

TIMEOUT: Final = 10.0  # seconds, from the beginning of a request to the end of its response
MAX_SIZE: Final = 256 * 1024  # Microsoft's key set has 20 KB


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # reading the certificates takes 20 ms


def http_client() -> httpx.AsyncClient:
    return httpx.AsyncClient(verify=_tls(), timeout=TIMEOUT, follow_redirects=False)


async def fetch_json(method: str, url: str, **arguments: Any) -> Any:
    """The JSON of a response with 200. The arguments are those of httpx.

    Raises ProviderUnavailableError without a response, for a 429 and a 5xx, InvalidAnswerError for any other.
    """
    try:
        async with asyncio.timeout(TIMEOUT), http_client() as client:
            status_code, body = await _fetch(client, method, url, **arguments)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:  # a TimeoutError is an OSError
        raise ProviderUnavailableError(f"{url}: {type(error).__name__}") from None
    if status_code == httpx.codes.TOO_MANY_REQUESTS or status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise ProviderUnavailableError(f"{url}: {status_code}")
    if status_code != httpx.codes.OK:
        raise InvalidAnswerError(f"{url}: {status_code}")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidAnswerError(f"{url}: no JSON") from None


async def _fetch(client: httpx.AsyncClient, method: str, url: str, **arguments: Any) -> tuple[int, bytes]:
    # Nothing is to be unpacked: a few KB could become any number of MB.
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"} | arguments.pop("headers", {})
    body = bytearray()
    async with client.stream(method, url, headers=headers, **arguments) as response:
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > MAX_SIZE:
                raise InvalidAnswerError(f"{url}: more than {MAX_SIZE} bytes")
    return response.status_code, bytes(body)
