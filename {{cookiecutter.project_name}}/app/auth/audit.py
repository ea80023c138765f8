"""The audit log: one line per event that may reveal theft or abuse. SECURITY.md lists the events and their fields."""

import logging
import uuid
from typing import Final, Literal

Event = Literal[
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
    "recovery_requested",
    "password_recovered",
    "email_verified",
    "email_changed",
    "second_factor_added",
    "second_factor_removed",
    "second_factor_failed",
    "recovery_code_used",
    "passkey_refused",
]

logger: Final = logging.getLogger("app.audit")
logger.setLevel(logging.INFO)  # whatever LOG_LEVEL says


def audit(event: Event, client_ip: str, user_id: uuid.UUID | None, **ids: uuid.UUID) -> None:
    """Write one line; `ids` may name the `session_id` and, in `by`, who did it. Call it after the commit.

    `user_id` is None if the account is unknown.
    """
    known = {"user_id": user_id} | ids
    fields = {name: str(value) for name, value in known.items() if value is not None}
    logger.info(event, extra={"event": event, "client": client_ip} | fields)
