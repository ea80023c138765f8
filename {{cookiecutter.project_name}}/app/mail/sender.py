"""Sends what is in the outbox, one mail after another, until it is told to stop."""

import asyncio
import logging
import random
import traceback
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, func, select

from app.auth.rate_limits import Limit, RateLimitedError, hit
from app.core.config import settings
from app.core.database import Database
from app.core.outages import is_outage, reason
from app.mail.messages import PAGES, ascii_domain, build, link_to, render
from app.mail.outbox import Mail, bury, claim, postpone, remove
from app.mail.smtp import DeliveryError, FolderTransport, Transport, new_transport
from app.mail.tokens import AT_ONCE, INTERVAL, LIFETIMES, create_mail_token
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
    """What a mail needs to be sent now."""

    address: str
    token: str | None


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
            except Exception as error:  # noqa: BLE001
                # The mail comes up again after its lease; the others are not to wait for somebody to restart this.
                if is_outage(error):
                    logger.warning("The outbox can't be read: %s", reason(error))
                else:
                    logger.error("The outbox can't be sent: %s", _trace(error))  # noqa: TRY400
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
        except Exception as error:
            if is_outage(error):
                raise
            return await self._give_up(mail, error)
        if ready is None:
            await remove(self._database, mail)
            _log("mail_dropped", mail)
            return True
        try:
            recipient = await self._send(mail, ready)
        except DeliveryError as error:
            if error.is_permanent:
                await bury(self._database, mail, str(error))
            else:
                await postpone(self._database, mail, str(error))
            _log("mail_dead" if error.is_permanent else "mail_failed", mail, str(error))
            return not error.is_unreachable
        except Exception as error:  # noqa: BLE001 — whatever it is, the others are not to wait for this mail
            return await self._give_up(mail, error)
        await remove(self._database, mail)
        _log("mail_sent", mail)
        if settings.environment == "dev" and isinstance(self._transport, FolderTransport) and ready.token:
            link = link_to(mail.kind, ready.token) if settings.frontend_url else ready.token
            logger.info("%s for %s: %s", "Link" if settings.frontend_url else "Token", recipient, link)
        return True

    async def _give_up(self, mail: Mail, error: Exception) -> bool:
        await bury(self._database, mail, type(error).__name__)
        _log("mail_dead", mail, _trace(error))
        await self._transport.close()
        return True

    async def _prepare(self, mail: Mail) -> Ready | None:
        """The mail's address and token, for the account as it is now; None if it is not wanted any more."""
        needs_account = mail.kind in PAGES or mail.user_id is None
        account: Any = await self._account_of(mail) if needs_account else None
        if needs_account and (account is None or not await self._is_wanted(mail, account)):
            return None
        address = account.email if mail.user_id is None else mail.address
        if mail.attempts == 1 and not await self._is_within_limit(mail.kind, address):
            return None
        token = None
        if mail.kind in PAGES:
            token = create_mail_token(mail.kind, account, datetime.now(UTC) + LIFETIMES[mail.kind])  # type: ignore[arg-type]
        return Ready(address, token)

    async def _send(self, mail: Mail, ready: Ready) -> str:
        """Build and send it; returns the address as the server got it. Raises DeliveryError, and anything else."""
        await asyncio.sleep(self._pause)
        recipient = ascii_domain(ready.address)
        message = build(mail.id, render(mail.kind, mail.created_at, ready.token), recipient, mail.created_at)
        await asyncio.sleep(self._pause)
        await self._transport.send(message, str(settings.mail_from), recipient)
        return recipient

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
        try:
            await hit(self._database, [Limit(f"mail: {kind}", address, AT_ONCE, INTERVAL)])
        except RateLimitedError:
            return False
        return True


def _trace(error: Exception) -> str:
    """Where an error comes from, without its text, which may quote an address or a token."""
    frames = traceback.extract_tb(error.__traceback__)[-5:]
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return f"{type(error).__name__} in {' > '.join(places)}"


def _log(event: str, mail: Mail, why: str = "") -> None:
    fields = {"event": event, "mail_id": str(mail.id), "kind": mail.kind, "attempts": mail.attempts}
    level = logging.INFO if event in {"mail_sent", "mail_dropped"} else logging.WARNING
    logger.log(level, "%s %s%s", event, mail.kind, f": {why}" if why else "", extra=fields)


@asynccontextmanager
async def sending(database: Database) -> AsyncIterator[None]:
    """Send mail meanwhile, if this process is to; then finish the one that is under way."""
    async with AsyncExitStack() as running:
        if settings.mail_url and settings.metrics_port:
            from app.mail.metrics import counting  # noqa: PLC0415 — prometheus_client is only loaded where it is used

            await running.enter_async_context(counting(database))
        if settings.mail_url and settings.mail_sender == "server":
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
