"""Sends what is in the outbox, one email after another, until it is told to stop."""

import asyncio
import json
import logging
import random
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, func, select

from app.auth.rate_limits import Limit, RateLimitedError, hit
from app.core.config import settings
from app.core.database import Database
from app.core.outages import is_outage, reason
from app.features.mail.messages import PAGES, ascii_domain, build, link_to, render
from app.features.mail.models import EmailChange, OutgoingMail
from app.features.mail.outbox import WANTED, Mail, bury, claim, discard_unwanted, postpone, remove, seconds_to_next
from app.features.mail.settings import mail_settings
from app.features.mail.smtp import DeliveryError, FolderTransport, Transport, new_transport
from app.features.mail.tokens import AT_ONCE, INTERVAL, LIFETIMES, create_mail_token
from app.models import User

logger: Final = logging.getLogger("app.mail")

# Called with an outcome (sent, failed, dead or dropped) and how many emails had it. The metrics, if any, add theirs.
outcome_observers: Final[list[Callable[[str, int], None]]] = []

# Seconds between two looks into the outbox. A request doesn't wake the sender: whoever asks for an email to an address
# and then sees the server work would know that there is an account.
POLL_INTERVAL: Final = 1.0
LIFETIME: Final = timedelta(days=1)  # for how long an email without a token is worth sending


class Ready(NamedTuple):
    """What an email needs to be sent now."""

    kind: str
    address: str
    token: str | None


_OWNER: Final = (
    select(User.__table__, EmailChange.requested_at)
    .select_from(OutgoingMail)
    .where(OutgoingMail.id == bindparam("mail"), WANTED)
)
_CHANGE: Final = EmailChange.user_id == User.id
_BY_ID: Final = _OWNER.join(User, User.id == OutgoingMail.user_id).outerjoin(EmailChange, _CHANGE)
_BY_ADDRESS: Final = _OWNER.join(User, func.lower(User.email) == func.lower(OutgoingMail.address)).outerjoin(
    EmailChange, _CHANGE
)


class Sender:
    def __init__(self, database: Database, transport: Transport | None = None, pause: float = 0) -> None:
        self._database = database
        self._pause = pause
        self._transport = transport or new_transport()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Send what there is, and what comes, until `stop`."""
        while not self._stopping.is_set():
            # Processes that started together don't look together.
            wait = POLL_INTERVAL * random.uniform(0.8, 1.2)  # noqa: S311
            try:
                seconds = await seconds_to_next(self._database)
                if seconds is not None and seconds <= 0:
                    await self.send_all()
                    seconds = await seconds_to_next(self._database)
                if seconds is not None and 0 < seconds < wait:
                    wait = seconds
            except Exception as error:  # noqa: BLE001
                # The email comes up again after its lease; the others must not wait for a restart.
                if is_outage(error):
                    logger.warning("The outbox can't be read: %s", reason(error))
                else:
                    logger.error("The outbox can't be sent: %s", _trace(error))  # noqa: TRY400
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)

    def stop(self) -> None:
        """Let `run` end after the email that is being sent."""
        self._stopping.set()

    async def send_all(self) -> None:
        """Send what is due. Ends early when the server can't be reached: then only the first email loses an attempt."""
        looked_at = -inf
        try:
            while not self._stopping.is_set():
                if time.monotonic() - looked_at > POLL_INTERVAL:
                    looked_at = time.monotonic()
                    if discarded := await discard_unwanted(self._database):
                        logger.info("mail_dropped %d", discarded, extra={"event": "mail_dropped", "count": discarded})
                        _observe("dropped", discarded)
                mail = await claim(self._database)
                if mail is None or not await self._settle(mail):
                    break
                await asyncio.sleep(self._pause)
        finally:
            await self._transport.close()

    async def _settle(self, mail: Mail) -> bool:
        """Send, postpone, bury or drop an email. False if no other could be sent now either."""
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
        except Exception as error:  # noqa: BLE001 — whatever it is, the other emails must not wait for this one
            return await self._give_up(mail, error)
        await remove(self._database, mail)
        _log("mail_sent", mail)
        if settings.environment == "dev" and isinstance(self._transport, FolderTransport) and ready.token:
            link = link_to(ready.kind, ready.token)
            logger.info("%s for %s: %s", "Link" if link else "Token", recipient, link or ready.token)
        return True

    async def _give_up(self, mail: Mail, error: Exception) -> bool:
        await bury(self._database, mail, type(error).__name__)
        _log("mail_dead", mail, _trace(error))
        await self._transport.close()
        return True

    async def _prepare(self, mail: Mail) -> Ready | None:
        """What the email is to be, for the account as it is now; None if nobody wants it any more."""
        owner: Any = await self._database.fetch_one(_BY_ID if mail.user_id else _BY_ADDRESS, {"mail": mail.id})
        if owner is None:
            return None
        address = mail.address if mail.user_id else owner.email
        kind, registration_id = mail.kind, None
        if kind == "verification" and mail.user_id is None:
            kind, registration_id = "already_registered" if owner.email_verified_at else kind, mail.id
        if mail.attempts == 1 and not await self._is_within_limit(kind, mail.data, address, owner):
            return None
        token = None
        if kind in PAGES:
            purpose: Any = "registration" if registration_id else kind
            change = EmailChange(owner.id, mail.address, owner.requested_at)
            expires_at = datetime.now(UTC) + LIFETIMES[kind]
            token = create_mail_token(purpose, owner, expires_at, registration_id=registration_id, change=change)
        return Ready(kind, address, token)

    async def _send(self, mail: Mail, ready: Ready) -> str:
        """Build and send it; returns the address as the server got it. Raises DeliveryError, and anything else."""
        recipient = ascii_domain(ready.address)
        message = build(
            mail.id, render(ready.kind, mail.created_at, ready.token, mail.data), recipient, mail.created_at
        )
        await self._transport.send(message, str(mail_settings.mail_from), recipient)
        return recipient

    async def _is_within_limit(self, kind: str, data: dict[str, Any], address: str, owner: Any) -> bool:
        """Whether the mailbox may get another email that says the same."""
        is_proved = owner.email_verified_at is not None and owner.email == address
        saying = f"{kind} {json.dumps(data, sort_keys=True)}" if data else kind
        limit = Limit(f"mail: {saying}", address if is_proved else mailbox_of(address), AT_ONCE, INTERVAL)
        try:
            await hit(self._database, [limit])
        except RateLimitedError:
            return False
        return True


def mailbox_of(address: str) -> str:
    """What all addresses share that lead to one mailbox by a tag, like ana+1@example.com and ana+2@example.com.

    The address without a tag is apart: nobody uses up its emails by asking for some to the others.
    """
    name, tag, _ = address.lower().rpartition("@")[0].partition("+")
    return f"{name}+@{address.lower().rpartition('@')[2]}" if name and tag else address.lower()


def _trace(error: Exception) -> str:
    """Where an error comes from, without its text, which may quote an address or a token."""
    frames = traceback.extract_tb(error.__traceback__)[-5:]
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return f"{type(error).__name__} in {' > '.join(places)}"


def _log(event: str, mail: Mail, why: str = "") -> None:
    fields = {"event": event, "mail_id": str(mail.id), "kind": mail.kind, "attempts": mail.attempts}
    level = logging.INFO if event in {"mail_sent", "mail_dropped"} else logging.WARNING
    logger.log(level, "%s %s%s", event, mail.kind, f": {why}" if why else "", extra=fields)
    _observe(event.removeprefix("mail_"), 1)


def _observe(outcome: str, count: int) -> None:
    for observe in outcome_observers:
        observe(outcome, count)
