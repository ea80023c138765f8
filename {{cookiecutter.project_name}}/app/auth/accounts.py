"""Active accounts as a login sees them."""

import uuid
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, bindparam, func, select

from app.auth.claims import CLAIMS_COLUMN
from app.auth.clients import Client
from app.auth.known_clients import IS_KNOWN
from app.core.database import Database
from app.models import User

_ACTIVE: Final = select(
    User.id,
    User.email,
    User.hashed_password,
    User.password_changed_at,
    User.factors_changed_at,
    User.email_verified_at,
    IS_KNOWN.label("knows_client"),
    CLAIMS_COLUMN,
).where(User.is_active)
_BY_EMAIL: Final = _ACTIVE.where(func.lower(User.email) == func.lower(bindparam("email")))
_BY_ID: Final = _ACTIVE.where(User.id == bindparam("account"))


class Account(NamedTuple):
    """An active user, as of the moment before the password, or another way to log in, was checked."""

    id: uuid.UUID
    email: str
    hashed_password: str
    password_changed_at: datetime
    factors_changed_at: datetime | None
    email_verified_at: datetime | None
    knows_client: bool
    claims: dict[str, Any] | None = None


async def find_account(database: Database, user_id: uuid.UUID, client: Client) -> Account | None:
    row = await database.fetch_one(_BY_ID, {"account": user_id, "client": client.hash})
    return Account(**row._mapping) if row else None


async def find_account_by_email(database: Database, email: str, client: Client) -> Account | None:
    row = await database.fetch_one(_BY_EMAIL, {"email": email, "client": client.hash})
    return Account(**row._mapping) if row else None


def is_unchanged(account: Account) -> ColumnElement[bool]:
    """For a statement's WHERE: the account still has the password and the factors that it had when it was looked up."""
    return (
        (User.id == account.id)
        & (User.password_changed_at == account.password_changed_at)
        & User.factors_changed_at.is_not_distinct_from(account.factors_changed_at)
    )
