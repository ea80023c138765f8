"""Notices to the owner of an account, which whatever feature can reach people sends."""

import uuid
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

# Gets the session, the kind of notice, the email address, the account if there is one, and the data.
Sender = Callable[[AsyncSession, str, str, uuid.UUID | None, dict[str, Any]], None]

senders: Final[list[Sender]] = []  # features add theirs


def notify(session: AsyncSession, kind: str, address: str, user_id: uuid.UUID | None = None, **data: Any) -> None:
    """Have a notice sent to an email address, once this session's transaction is committed.

    `data`, which must be JSON, is what the notice's text may mention. Nothing happens where no feature sends notices.
    """
    for send in senders:
        send(session, kind, address, user_id, data)
