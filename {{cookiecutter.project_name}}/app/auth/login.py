"""Who has this password: checked under throttles, in the same time whatever the answer."""

import asyncio
import uuid
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import bindparam, func, select, update

from app.auth.rate_limits import Budget, network_of, restore, seconds_spent, spend
from app.core.database import Database
from app.core.passwords import PASSWORD_THREADS, PASSWORD_TIMEOUT, check_password
from app.models import User

# A try is looked up, made and counted while holding one of these: however many arrive at once, no more than these few
# can slip through before the failures count.
_tries: Final = asyncio.Semaphore(PASSWORD_THREADS)

_ACCOUNT = select(User.id, User.hashed_password, User.password_changed_at).where(
    func.lower(User.email) == func.lower(bindparam("email")), User.is_active
)
_RENEW_HASH = (
    update(User)
    .where(User.id == bindparam("account"), User.hashed_password == bindparam("old"))
    .values(hashed_password=bindparam("new"))
)


class Account(NamedTuple):
    """A user at the moment in which the password was checked."""

    id: uuid.UUID
    hashed_password: str
    password_changed_at: datetime


class ThrottledError(Exception):
    """Too many tries; `retry_after` is in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after


async def admit_registration(database: Database, address: str) -> None:
    """Count a registration from an address; raises ThrottledError when there were too many."""
    budget = Budget("registration from address", network_of(address), 100, timedelta(seconds=10))
    if not await spend(database, budget):
        raise ThrottledError(max(1, budget.retry_after((await seconds_spent(database, budget))[budget])))


async def authenticate(database: Database, email: str, password: str, address: str) -> Account | None:
    """The active user with this e-mail address and password; None for any other combination.

    Three budgets of failures, the same for accounts that exist and that don't: of an address for one account
    (guessing), of an address (spraying) and of an account (guessing from many addresses). The last would let anybody
    lock anybody out, so an address at which the account was registered or logged in lately is exempt from it.
    Raises ThrottledError when one is used up, TimeoutError when too many others wait for their check.
    """
    network = network_of(address)
    pair = Budget("login to account from address", f"{email}\0{network}", 10, timedelta(minutes=1))
    spray = Budget("login from address", network, 100, timedelta(seconds=10))
    account = Budget("login to account", email, 30, timedelta(seconds=30))
    known = _known_address(email, network)

    async with asyncio.timeout(PASSWORD_TIMEOUT):
        await _tries.acquire()
    try:
        spent = await seconds_spent(database, pair, spray, account, known)
        budgets = [pair, spray] if spent[known] else [pair, spray, account]
        if wait := max(budget.retry_after(spent[budget]) for budget in budgets):
            raise ThrottledError(wait)
        user = await _check(database, email, password)
        if user is None:
            for budget in budgets:
                await spend(database, budget)
    finally:
        _tries.release()

    if user is not None:
        await restore(database, pair, account)
        await remember_address(database, email, address)
    return user


async def remember_address(database: Database, email: str, address: str) -> None:
    """Note that whoever is at this address has the account's password: guessers elsewhere can't lock that one out."""
    await spend(database, _known_address(email, network_of(address)))


def _known_address(email: str, network: str) -> Budget:
    # Known is who has spent some of this, for 30 days after the last login.
    return Budget("address known to account", f"{email}\0{network}", 2, timedelta(days=30))


async def _check(database: Database, email: str, password: str) -> Account | None:
    row = await database.fetch_one(_ACCOUNT, {"email": email})
    account = Account(*row) if row else None
    check = await check_password(password, account.hashed_password if account else None)
    if account is None or not check.is_correct:
        return None
    if check.renewed_hash:
        renewal = {"account": account.id, "old": account.hashed_password, "new": check.renewed_hash}
        await database.execute(_RENEW_HASH, renewal)
    return account
