"""A mailbox that a client reads."""

import logging
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from sqlalchemy import update

from app.core.database import database
from app.features.mail.models import OutgoingMail
from app.features.mail.outbox import LATEST
from app.features.mail.sender import Sender
from app.features.mail.smtp import FolderTransport
from app.server.logging import JsonFormatter
from app.tests.helpers import CLIENT_IP
from app.tests.other_settings import other_settings

Events = Callable[[], list[tuple[str, str | None]]]


class Mailbox:
    """The mails that were sent, in the order in which they were written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def collect(self) -> list[EmailMessage]:
        """Let the outbox be sent, and take out what has come."""
        await make_due()
        await Sender(database, FolderTransport(self._folder)).send_all()
        mails = []
        for path in self._folder.glob("*.eml"):
            mail = message_from_bytes(path.read_bytes(), policy=default)
            assert isinstance(mail, EmailMessage)
            mails.append(mail)
            path.unlink()
        return mails

    async def subjects(self) -> dict[str, str]:
        """What has come, by its address and subject."""
        return {mail["Subject"]: mail["To"] for mail in await self.collect()}

    async def token(self, address: str, page: str) -> str:
        """That of the only mail with a token that has come to this address, which leads to this page."""
        tokens = [
            found[1]
            for mail in await self.collect()
            if mail["To"] == address
            and (found := re.search(rf"^https://app\.example\.com/{page}#token=(\S+)$", text_of(mail), re.MULTILINE))
        ]
        (token,) = tokens
        return token


async def make_due() -> None:
    """As if the random time before an email leaves were over."""
    new = update(OutgoingMail).where(OutgoingMail.attempts == 0)
    await database.execute(new.values(due_at=OutgoingMail.due_at - timedelta(seconds=LATEST)))


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged, as in production."""
    written: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(JsonFormatter().format(record))

    collector, logger = Collector(), logging.getLogger("app.mail")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(collector)
    yield written
    logger.removeHandler(collector)
    logger.setLevel(level)


@pytest.fixture
def mailbox(tmp_path: Path, empty_tables: None) -> Mailbox:
    return Mailbox(tmp_path / "mail")


@pytest.fixture
def verification_required() -> Iterator[None]:
    with other_settings(EMAIL_VERIFICATION="required"):
        yield


@pytest.fixture
def events() -> Iterator[Events]:
    """The events and accounts since this was called last."""
    records: list[logging.LogRecord] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            assert record.__dict__["client"] == CLIENT_IP
            records.append(record)

    def take() -> list[tuple[str, str | None]]:
        taken = [(record.__dict__["event"], record.__dict__.get("user_id")) for record in records]
        records.clear()
        return taken

    collector = Collector()
    logging.getLogger("app.audit").addHandler(collector)
    yield take
    logging.getLogger("app.audit").removeHandler(collector)
