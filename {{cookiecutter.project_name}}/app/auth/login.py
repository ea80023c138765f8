"""Checks email address and password, under rate limits, in the same time whatever the outcome."""

import uuid
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import bindparam, func, select, update

from app.auth.audit import audit
from app.auth.known_clients import IS_KNOWN, client_hash, remember_client
from app.auth.networks import network_of, site_of
from app.auth.password_queue import password_queue
from app.auth.rate_limits import Limit, RateLimitedError, hit, limits_of_client, reset
from app.auth.second_factor import SECOND_FACTOR_SINCE
from app.core.config import settings
from app.core.database import Database
from app.core.passwords import check_password, hash_password
from app.models import User

_ACTIVE_ACCOUNT: Final = select(
    User.id,
    User.hashed_password,
    User.password_changed_at,
    IS_KNOWN.label("knows_client"),
    User.email_verified_at,
    SECOND_FACTOR_SINCE,
).where(User.is_active)
_ACCOUNT: Final = _ACTIVE_ACCOUNT.where(func.lower(User.email) == func.lower(bindparam("email")))
_ACCOUNT_BY_ID: Final = _ACTIVE_ACCOUNT.where(User.id == bindparam("account"))
_RENEW_HASH: Final = (
    update(User)
    .where(User.id == bindparam("account"), User.hashed_password == bindparam("old"))
    .values(hashed_password=bindparam("new"))
)


class Account(NamedTuple):
    """An active user, as of the moment when the password or second factor was checked."""

    id: uuid.UUID
    hashed_password: str
    password_changed_at: datetime
    knows_client: bool = False
    email_verified_at: datetime | None = None
    second_factor_since: datetime | None = None


async def find_account(database: Database, user_id: uuid.UUID, client_ip: str) -> Account | None:
    row = await database.fetch_one(_ACCOUNT_BY_ID, {"account": user_id, "client": client_hash(client_ip)})
    return Account(*row) if row else None


async def admit_registration(database: Database, client_ip: str) -> None:
    """Count a registration. Raises RateLimitedError and PasswordQueueFullError."""
    password_queue.check_for_room(site_of(client_ip))
    await hit(database, limits_of_client("registration", client_ip, 100, timedelta(seconds=10)))


async def hash_new_password(password: str, client_ip: str) -> str:
    """Hash a password when it is this client's turn. Raises RateLimitedError and PasswordQueueFullError."""
    async with password_queue.turn(site_of(client_ip)):
        return await hash_password(password)


async def authenticate(database: Database, email: str, password: str, client_ip: str) -> Account | None:
    """The active user with this email address and password; None for any other combination.

    Every attempt counts, whether or not the account exists and the password is right, towards three limits: per client
    and account (guessing), per client (spraying) and per account (guessing from many clients). The last would let
    anybody lock anybody out, so clients that are known to the account are exempt from it. A success resets only the
    first: others would notice a reset of the last, and learn that the account exists and its owner has just logged in.
    If the account has a second factor, the client becomes known only with a code. With REGISTRATION=discreet, an
    account is like none until its address is verified. Raises RateLimitedError and PasswordQueueFullError.
    """
    subjects = site_of(client_ip), email
    password_queue.check_for_room(*subjects)
    row = await database.fetch_one(_ACCOUNT, {"email": email, "client": client_hash(client_ip)})
    account = Account(*row) if row else None
    user_id = account.id if account else None

    # Whoever has just registered must not learn by a login with that password whether the address was free.
    is_hidden = account is not None and account.email_verified_at is None and settings.registration == "discreet"
    own = Limit("login to account from client", f"{email}\0{network_of(client_ip)}", 10, timedelta(minutes=1))
    limits = [own, *limits_of_client("login from client", client_ip, 600, timedelta(seconds=2))]
    if account is None or is_hidden or not account.knows_client:
        limits.append(Limit("login to account", email, 30, timedelta(seconds=30)))
    try:
        await hit(database, limits)
        async with password_queue.turn(*subjects):
            check = await check_password(password, account.hashed_password if account else None)
    except RateLimitedError:
        audit("login_throttled", client_ip, user_id)
        raise
    if account is None or not check.is_correct:
        audit("login_failed", client_ip, user_id)
        return None
    if is_hidden:
        audit("password_accepted", client_ip, user_id)
        return None
    if check.renewed_hash:
        renewal = {"account": account.id, "old": account.hashed_password, "new": check.renewed_hash}
        await database.execute(_RENEW_HASH, renewal)
    if account.second_factor_since is None:
        await remember_client(database, account.id, client_ip, own)
    else:
        await reset(database, own)
    return account
