"""The audit log: one line per event that may reveal theft or abuse. SECURITY.md lists the events and their fields."""

import logging
import uuid
from typing import Final

from app.auth.clients import Client

# Features add theirs; metrics count each of them from the start.
EVENTS: Final = [
    "login_succeeded",
    "login_failed",
    "login_throttled",
    "password_accepted",
    "refresh_token_replayed",
    "session_revoked",
    "password_changed",
    "superuser_granted",
    "superuser_revoked",
    "account_deactivated",
    "account_activated",
    "account_deleted",
]

logger: Final = logging.getLogger("app.audit")
logger.setLevel(logging.INFO)  # whatever LOG_LEVEL says


def audit(event: str, client: Client, user_id: uuid.UUID | None, **ids: uuid.UUID | str) -> None:
    """Write one line; `ids` may name the `session_id` and, in `by`, who did it. Call it after the commit.

    `user_id` is None if the account is unknown.
    """
    known = {"user_id": user_id} | ids
    fields = {name: str(value) for name, value in known.items() if value is not None}
    logger.info(event, extra={"event": event, "client": client.ip} | fields)
