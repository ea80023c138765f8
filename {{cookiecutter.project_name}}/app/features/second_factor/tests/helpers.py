"""An authenticator app in software, and what several files of tests do with it."""

import base64
import hashlib
import hmac
import struct
import time

from httpx import AsyncClient, Response

from app.models import User
from app.tests.helpers import PASSWORD, bearer, tokens_in, try_login

INVALID = (400, {"detail": "Invalid code", "error": "invalid_grant"})


def code_at(secret: str, step: int) -> str:
    """RFC 6238, written down anew: the tests must not trust the library that they test."""
    mac = hmac.digest(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1)
    offset = mac[-1] & 15
    return f"{(int.from_bytes(mac[offset : offset + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"


def now() -> int:
    return int(time.time()) // 30


class Factor:
    """An authenticator app, and the sheet of paper with recovery codes."""

    def __init__(self, secret: str, recovery_codes: list[str]) -> None:
        self.secret, self.recovery_codes = secret, recovery_codes

    def code(self, later: int = 0) -> str:
        return code_at(self.secret, now() + later)


async def begin_set_up(client: AsyncClient, headers: dict[str, str]) -> str:
    """The secret of an app that isn't confirmed yet."""
    response = await client.post("/auth/totp", headers=headers)
    assert response.status_code == 200, response.text
    return str(response.json()["secret"])


async def confirm(client: AsyncClient, headers: dict[str, str], code: str) -> Response:
    return await client.post("/auth/totp/confirm", json={"code": code}, headers=headers)


async def set_up(client: AsyncClient, headers: dict[str, str]) -> Factor:
    """An app that is confirmed with the code of the step before, so that the present one is still good.

    No session of the account is recent afterwards.
    """
    secret = await begin_set_up(client, headers)
    response = await confirm(client, headers, code_at(secret, now() - 1))
    assert response.status_code == 200, response.text
    return Factor(secret, response.json()["recovery_codes"])


async def mfa_token(client: AsyncClient, user: User) -> str:
    response = await try_login(client, user.email, PASSWORD)
    assert response.status_code == 403, response.text
    return str(response.json()["mfa_token"])


async def answer(client: AsyncClient, token: str, code: str) -> Response:
    return await client.post("/auth/second-factor", json={"mfa_token": token, "code": code})


async def log_in(client: AsyncClient, user: User, code: str) -> dict[str, str]:
    """The headers of a new session, which is recent."""
    return bearer(tokens_in(await answer(client, await mfa_token(client, user), code)))


async def reauthenticate(client: AsyncClient, headers: dict[str, str], **proof: str) -> Response:
    return await client.post("/auth/reauthenticate", json=proof, headers=headers)


async def state(client: AsyncClient, headers: dict[str, str]) -> tuple[bool, int]:
    """Whether there is an app, and how many recovery codes are left."""
    response = await client.get("/auth/second-factor", headers=headers)
    assert response.status_code == 200
    return response.json()["totp"], response.json()["recovery_codes_left"]
