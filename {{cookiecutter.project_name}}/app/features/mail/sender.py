"""Sends what is in the outbox, one mail after another, until it is told to stop."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, func, select
from sqlalchemy.exc import SQLAlchemyError

from app.auth.rate_limits import Limit, RateLimitedError, hit
from app.core.config import settings
from app.core.database import Database
from app.core.outages import is_outage, reason
from app.features.mail.messages import PAGES, ascii_domain, build, link_to, render
from app.features.mail.outbox import Mail, bury, claim, postpone, remove
from app.features.mail.settings import mail_settings
from app.features.mail.smtp import DeliveryError, FolderTransport, Transport, new_transport
from app.features.mail.tokens import LIFETIMES, create_mail_token
from app.models import User

logger: Final = logging.getLogger("app.mail")

# Seconds between two looks into the outbox. A request doesn't wake the sender: who asks for a mail to an address and
# then sees the server work knows that there is an account.
POLL_INTERVAL: Final = 3.0
# Seconds between two steps of sending in a process that also serves: each step costs it a millisecond, and a request
# that waits for one should not have to wait for the next, too. With four of them, 1,000 mails take more than a minute.
PAUSE: Final = 0.015
STOP_TIMEOUT: Final = 10  # seconds for the mail that is being sent when the process is told to stop
LIFETIME: Final = timedelta(days=1)  # for how long a mail without a token is worth sending

_BY_ID: Final = select(*User.__table__.columns).where(User.id == bindparam("user_id"), User.is_active)
_BY_ADDRESS: Final = select(*User.__table__.columns).where(
    func.lower(User.email) == func.lower(bindparam("address")), User.is_active
)


class Ready(NamedTuple):
    """A mail as it can be sent now."""

    message: EmailMessage
    recipient: str
    link: str | None  # or the token, where links lead nowhere


class Sender:
    def __init__(self, database: Database, transport: Transport | None = None, pause: float = 0) -> None:
        self._database = database
        self._pause = pause
        self._transport = transport or new_transport()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Send what there is, and what comes, until `stop`."""
        while not self._stopping.is_set():
            try:
                await self.send_all()
            except Exception as error:
                # The mail comes up again after its lease; the others are not to wait for somebody to restart this.
                if isinstance(error, SQLAlchemyError | OSError | TimeoutError) and is_outage(error):
                    logger.warning("The outbox can't be read: %s", reason(error))
                else:
                    logger.exception("A mail could not be sent")
            with suppress(TimeoutError):
                # Processes that started together don't look together.
                await asyncio.wait_for(self._stopping.wait(), POLL_INTERVAL * random.uniform(0.8, 1.2))  # noqa: S311

    def stop(self) -> None:
        """Let `run` end after the mail that is being sent."""
        self._stopping.set()

    async def send_all(self) -> None:
        """Send what is due. Ends early when the server can't be reached: that costs no mail but the first a try."""
        try:
            while not self._stopping.is_set() and (mail := await claim(self._database)):
                await asyncio.sleep(self._pause)
                if not await self._settle(mail):
                    break
                await asyncio.sleep(self._pause)
        finally:
            await self._transport.close()

    async def _settle(self, mail: Mail) -> bool:
        """Send, postpone, bury or drop a mail. False if no other would fare better now."""
        if mail.created_at + LIFETIMES.get(mail.kind, LIFETIME) <= datetime.now(UTC):
            await bury(self._database, mail, f"too late after {mail.failure or 'a long wait'}")
            _log("mail_dead", mail, "too late")
            return True
        try:
            ready = await self._prepare(mail)
            if ready is None:
                await remove(self._database, mail)
                _log("mail_dropped", mail)
                return True
            await self._transport.send(ready.message, str(mail_settings.mail_from), ready.recipient)
        except DeliveryError as error:
            if error.is_permanent:
                await bury(self._database, mail, str(error))
            else:
                await postpone(self._database, mail, str(error))
            _log("mail_dead" if error.is_permanent else "mail_failed", mail, str(error))
            return not error.is_unreachable
        await remove(self._database, mail)
        _log("mail_sent", mail)
        if settings.environment == "dev" and isinstance(self._transport, FolderTransport) and ready.link:
            logger.info("%s for %s: %s", "Link" if mail_settings.frontend_url else "Token", ready.recipient, ready.link)
        return True

    async def _prepare(self, mail: Mail) -> Ready | None:
        """The mail with its token, for the account as it is now; None if it is not wanted any more."""
        needs_account = mail.kind in PAGES or mail.user_id is None
        account: Any = await self._account_of(mail) if needs_account else None
        if needs_account and (account is None or not await self._is_wanted(mail, account)):
            return None
        address = account.email if mail.user_id is None else mail.address
        if mail.attempts == 1 and not await self._is_within_limit(mail.kind, address):
            return None
        token = None
        if mail.kind in PAGES:
            token = create_mail_token(mail.kind, account, mail.created_at + LIFETIMES[mail.kind])  # type: ignore[arg-type]
        recipient = ascii_domain(address)
        await asyncio.sleep(self._pause)
        message = build(mail.id, render(mail.kind, mail.created_at, token), recipient, mail.created_at)
        await asyncio.sleep(self._pause)
        return Ready(message, recipient, link_to(mail.kind, token) if token and mail_settings.frontend_url else token)

    async def _account_of(self, mail: Mail) -> Any:
        if mail.user_id is None:
            return await self._database.fetch_one(_BY_ADDRESS, {"address": mail.address})
        return await self._database.fetch_one(_BY_ID, {"user_id": mail.user_id})

    async def _is_wanted(self, mail: Mail, account: Any) -> bool:
        if mail.kind in PAGES and mail.created_at < account.password_changed_at:
            return False  # a new password ends what was asked for before
        if mail.kind == "verification":
            return account.email_verified_at is None and account.email == mail.address
        if mail.kind == "email_change":
            is_taken = await self._database.fetch_one(_BY_ADDRESS, {"address": mail.address})
            return account.pending_email == mail.address and is_taken is None
        return True

    async def _is_within_limit(self, kind: str, address: str) -> bool:
        """Three mails an hour for one purpose: nobody can flood a mailbox."""
        try:
            await hit(self._database, [Limit(f"mail: {kind}", address, 3, timedelta(hours=1))])
        except RateLimitedError:
            return False
        return True


def _log(event: str, mail: Mail, why: str = "") -> None:
    fields = {"event": event, "mail_id": str(mail.id), "kind": mail.kind, "attempts": mail.attempts}
    level = logging.INFO if event in {"mail_sent", "mail_dropped"} else logging.WARNING
    logger.log(level, "%s %s%s", event, mail.kind, f": {why}" if why else "", extra=fields)


@asynccontextmanager
async def sending(database: Database) -> AsyncIterator[None]:
    """Send mail meanwhile, if this process is to; then finish the one that is under way."""
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
