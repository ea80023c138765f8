"""Mail tokens: what a link in an email carries. Plain functions, no HTTP, no database.

Using one changes what it depends on, so it works once. A new password or address, and a deactivation, end all older
ones; a verification ends only others of its kind.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol

from app.core.account_tokens import create_account_token, is_genuine

Purpose = Literal["recovery", "verification", "email_change", "registration"]
# To one address, three emails that say the same go out at once, then one each INTERVAL: nobody can flood a mailbox.
AT_ONCE: Final = 3
INTERVAL: Final = timedelta(hours=1)
LIFETIMES: Final[dict[str, timedelta]] = {
    # Whoever gets no further email got the last one within INTERVAL, and its token lives as long again: strangers who
    # ask for recoveries all the time keep no owner from one.
    "recovery": 2 * INTERVAL,
    "verification": timedelta(hours=24),
    "email_change": timedelta(hours=24),
}


class AccountState(Protocol):
    """What a token depends on: a `User`, or a row with its columns."""

    id: Any
    email: Any
    email_verified_at: Any
    password_changed_at: Any


class PendingChange(Protocol):
    """The address that an account is to have, and when it was asked for."""

    email: Any
    requested_at: Any


def create_mail_token(
    purpose: Purpose,
    account: AccountState,
    expires_at: datetime,
    *,
    registration_id: uuid.UUID | None = None,
    change: PendingChange | None = None,
) -> str:
    """A token that names the account or, where several may have registered with its address, the registration."""
    subject = registration_id or account.id
    return create_account_token(_purpose(purpose), subject, expires_at.timestamp(), _state(purpose, account, change))


def is_for(token: str, purpose: Purpose, account: AccountState, change: PendingChange | None = None) -> bool:
    """Whether the token was made for this purpose and for this account in its present state."""
    return is_genuine(token, _purpose(purpose), _state(purpose, account, change))


def _purpose(purpose: Purpose) -> str:
    return f"mail token: {purpose}"


def _state(purpose: Purpose, account: AccountState, change: PendingChange | None) -> list[object]:
    used: dict[Purpose, list[object]] = {  # what using one changes, beside the password or the address
        "recovery": [],
        "verification": [account.email_verified_at is not None],
        "registration": [account.email_verified_at is not None],
        "email_change": [change.email, change.requested_at] if change else [None],
    }
    return [account.id, account.email, account.password_changed_at, *used[purpose]]
