"""A mailbox that a client reads, and requests that several files of tests send."""

import re
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from httpx import AsyncClient, Response
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import database
from app.features.mail.models import OutgoingMail
from app.features.mail.outbox import LATEST
from app.features.mail.sender import Sender
from app.features.mail.smtp import FolderTransport
from app.models import KnownClient
from app.tests.helpers import PASSWORD, bearer, client_at, is_logged_in, try_login

# Takes the events, each with its account, since the last call.
Events = Callable[[], list[tuple[str, str | None]]]

NEW = "new@example.com"
OWN_PASSWORD = "a password of the owner's"
SETTINGS = {
    "optional": {"EMAIL_VERIFICATION": "optional", "REGISTRATION": "open"},
    "required": {"EMAIL_VERIFICATION": "required", "REGISTRATION": "open"},
    "discreet": {"EMAIL_VERIFICATION": "required", "REGISTRATION": "discreet"},
}


class Mailbox:
    """The emails that were sent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def collect(self) -> list[EmailMessage]:
        """Let the outbox be sent, and take out what has come."""
        await make_due()
        await Sender(database, FolderTransport(self._folder)).send_all()
        emails = []
        for path in self._folder.glob("*.eml"):
            email = message_from_bytes(path.read_bytes(), policy=default)
            assert isinstance(email, EmailMessage)
            emails.append(email)
            path.unlink()
        return emails

    async def subjects(self) -> dict[str, str]:
        """What has come, by its address and subject."""
        return {email["Subject"]: email["To"] for email in await self.collect()}

    async def token(self, address: str, page: str) -> str:
        """The token that leads to this page; one email with such a token must have come to this address."""
        tokens = [
            found[1]
            for email in await self.collect()
            if email["To"] == address
            and (found := re.search(rf"^https://app\.example\.com/{page}#token=(\S+)$", text_of(email), re.MULTILINE))
        ]
        (token,) = tokens
        return token


async def make_due() -> None:
    """As if the random time before an email leaves were over."""
    new = update(OutgoingMail).where(OutgoingMail.attempts == 0)
    await database.execute(new.values(due_at=OutgoingMail.due_at - timedelta(seconds=LATEST)))


def text_of(email: EmailMessage) -> str:
    part = email.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


async def register(client: AsyncClient, email: str = NEW, password: str = PASSWORD) -> Response:
    return await client.post("/users/register", json={"email": email, "password": password})


async def verify(client: AsyncClient, token: str, headers: dict[str, str] | None = None) -> Response:
    """With the headers of a session, which therefore goes on."""
    return await client.post("/auth/verify-email", json={"token": token}, headers=headers)


async def change(client: AsyncClient, headers: dict[str, str], email: str, password: str = PASSWORD) -> Response:
    body = {"email": email, "current_password": password}
    return await client.post("/users/me/email", json=body, headers=headers)


async def state(client: AsyncClient, headers: dict[str, str]) -> dict[str, str | None]:
    response = await client.get("/users/me/email", headers=headers)
    assert response.status_code == 200
    shown: dict[str, str | None] = response.json()
    return shown


async def recover(client: AsyncClient, mailbox: Mailbox, email: str = NEW) -> Response:
    """Set OWN_PASSWORD by an email."""
    await mailbox.collect()
    await client.post("/auth/forgot-password", json={"email": email})
    body = {"token": await mailbox.token(email, "recover-password"), "new_password": OWN_PASSWORD}
    return await client.post("/auth/recover-password", json=body)


async def known_clients(session: AsyncSession) -> int | None:
    return await session.scalar(select(func.count()).select_from(KnownClient))


class Stranger:
    """Has registered with NEW, which is somebody else's, and has asked for another address if there is a session."""

    def __init__(self) -> None:
        self.client = client_at("203.0.113.66")
        self.tokens: dict[str, str] = {}

    async def move_in(self) -> dict[str, str]:
        """The headers of the stranger's session, empty if the settings allow none yet."""
        assert (await register(self.client)).status_code == 201
        response = await try_login(self.client, NEW)
        if response.status_code != 200:
            return {}
        self.tokens = response.json()
        assert (await change(self.client, bearer(self.tokens), "another@example.com")).status_code == 202
        return bearer(self.tokens)

    async def has_anything_left(self) -> bool:
        is_in = bool(self.tokens) and await is_logged_in(self.client, self.tokens)
        return is_in or (await try_login(self.client, NEW)).status_code != 400
