"""How an email leaves: by SMTP, or into a folder."""

import asyncio
import re
import ssl
from email.message import EmailMessage
from email.policy import SMTPUTF8
from functools import cache
from pathlib import Path
from typing import Final, Protocol

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from app.core.config import PROJECT_DIR
from app.features.mail.mail_url import MailServer
from app.features.mail.messages import ascii_domain
from app.features.mail.settings import mail_settings

WAIT: Final = 15  # seconds for each response of a server
MAIL_TIMEOUT: Final = 50  # seconds for one email, with the connection that it may need


class DeliveryError(Exception):
    """Why an email did not leave; its text holds no address and no token."""

    def __init__(self, reason: str, *, is_permanent: bool = False, is_unreachable: bool = False) -> None:
        super().__init__(_without_secrets(reason))
        self.is_permanent = is_permanent
        self.is_unreachable = is_unreachable  # no other email would leave now either


class Transport(Protocol):
    async def send(self, message: EmailMessage, sender: str, recipient: str) -> None:
        """Raises DeliveryError."""

    async def close(self) -> None:
        """Call it when there is nothing more to send for now."""


class SmtpTransport:
    """One connection, for as many emails as there are. Every wait is bounded."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._client: SMTP | None = None

    async def send(self, message: EmailMessage, sender: str, recipient: str) -> None:
        is_connected = False
        try:
            async with asyncio.timeout(MAIL_TIMEOUT):
                client = await self._connect()
                is_connected = True
                await client.send_message(message, sender=sender, recipients=[recipient])
        except (SMTPRecipientsRefused, SMTPSenderRefused, SMTPDataError) as error:
            refusal = error.recipients[0] if isinstance(error, SMTPRecipientsRefused) else error
            if refusal.code == 421:  # the server is about to hang up
                await self.close()
            raise DeliveryError(f"{refusal.code} {refusal.message}", is_permanent=refusal.code >= 500) from error
        except SMTPNotSupported as error:  # an address that this server can't take
            raise DeliveryError(error.message, is_permanent=is_connected, is_unreachable=not is_connected) from error
        except (SMTPException, OSError, TimeoutError) as error:
            await self.close()
            words = str(error) or type(error).__name__
            if isinstance(error, SMTPResponseException):
                words = f"{error.code} {error.message}"
            raise DeliveryError(words, is_unreachable=not is_connected) from error
        except asyncio.CancelledError:
            self._abort()
            raise

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None and client.is_connected:
            try:
                await client.quit(timeout=1)
            except (SMTPException, OSError, TimeoutError):
                client.close()

    def _abort(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _connect(self) -> SMTP:
        if self._client is None or not self._client.is_connected:
            server = self._server
            self._client = SMTP(
                hostname=server.host,
                port=server.port,
                username=server.username,
                password=server.password,
                use_tls=server.begins_with_tls,
                start_tls=server.needs_starttls,
                tls_context=_tls_context(),
                # What the machine calls itself is often `localhost`, which strict servers refuse.
                local_hostname=ascii_domain(str(mail_settings.mail_from)).rpartition("@")[2],
                timeout=WAIT,
            )
            await self._client.connect()
        return self._client


@cache  # to read the certificates takes 20 ms
def _tls_context() -> ssl.SSLContext:
    return ssl.create_default_context()


class FolderTransport:
    """For development: an .eml file for each email, which any email program opens."""

    def __init__(self, folder: Path) -> None:
        self._folder = PROJECT_DIR / folder

    async def send(self, message: EmailMessage, sender: str, recipient: str) -> None:
        del sender, recipient
        try:
            await asyncio.to_thread(self._write, message)
        except OSError as error:
            raise DeliveryError(f"{self._folder}: {error.strerror}", is_unreachable=True) from error

    def _write(self, message: EmailMessage) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        date = message["Date"].datetime.strftime("%Y%m%d-%H%M%S")
        path = self._folder / f"{date}-{message['Message-ID'].strip('<>').partition('@')[0]}.eml"
        unfinished = path.with_suffix(".part")
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(message.as_bytes(policy=SMTPUTF8.clone(linesep="\n")))
        unfinished.replace(path)

    async def close(self) -> None:
        pass


def new_transport() -> Transport:
    """The transport for MAIL_URL, which must be set."""
    server = mail_settings.mail_server
    return SmtpTransport(server) if isinstance(server, MailServer) else FolderTransport(server or Path())


_TOKEN: Final = re.compile(r"[^/.:;,()<>\[\]\"']{16,}")  # or a part of an address in an unusual form


def _without_secrets(reason: str) -> str:
    """What a server says, short and printable: as text or log line it could be anything, of any length.

    Servers quote addresses, and filters the links that they don't like.
    """
    printable = "".join(character if character.isprintable() else " " for character in reason[:1000])
    words = ["…" if "@" in word or "%40" in word else _TOKEN.sub("…", word) for word in printable.split()]
    if len(reason) > 1000:
        del words[-1:]  # which may be the beginning of an address
    return " ".join(words)[:500]
