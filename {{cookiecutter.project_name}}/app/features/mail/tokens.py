"""Mail tokens: what a link in a mail carries. Plain functions, no HTTP, no database.

Using one changes the state of the account, so it works once; and so does a new password or address, which ends all
older ones.
"""

from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol

from app.core.account_tokens import create_account_token, is_genuine

Purpose = Literal["recovery", "verification", "email_change"]
LIFETIMES: Final[dict[str, timedelta]] = {
    "recovery": timedelta(minutes=30),
    "verification": timedelta(hours=24),
    "email_change": timedelta(hours=24),
}


class AccountState(Protocol):
    """What a token depends on: a `User`, or a row with its columns."""

    id: Any
    email: Any
    email_verified_at: Any
    password_changed_at: Any
    pending_email: Any
    pending_email_at: Any


def create_mail_token(purpose: Purpose, account: AccountState, expires_at: datetime) -> str:
    return create_account_token(_purpose(purpose), account.id, expires_at.timestamp(), _state(purpose, account))


def is_for(token: str, purpose: Purpose, account: AccountState) -> bool:
    """Whether it was made for this purpose and for this account in its present state."""
    return is_genuine(token, _purpose(purpose), _state(purpose, account))


def _purpose(purpose: Purpose) -> str:
    return f"mail token: {purpose}"


def _state(purpose: Purpose, account: AccountState) -> list[object]:
    return [
        account.id,
        account.email,
        account.email_verified_at is not None,
        account.password_changed_at,
        *([account.pending_email, account.pending_email_at] if purpose == "email_change" else []),
    ]
