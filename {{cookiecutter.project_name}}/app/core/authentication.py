"""Who has this password: checked under throttles, in the same time whatever the answer."""

import asyncio
from datetime import timedelta
from typing import Final

from sqlalchemy import func, select, update

from app.core.database import autocommit, new_session
from app.core.security import PASSWORD_THREADS, check_password
from app.core.throttling import Budget, network_of, restore, seconds_spent, spend
from app.models import User

# A try is looked up, made and counted while holding one of these: however many arrive at once, no more than these few
# can slip through before the failures count.
_slots: Final = asyncio.Semaphore(PASSWORD_THREADS)


class ThrottledError(Exception):
    """Too many tries; `retry_after` is in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after


async def admit_registration(address: str) -> None:
    """Count a registration from an address; raises ThrottledError when there were too many."""
    budget = Budget("registration from address", network_of(address), 100, timedelta(seconds=10))
    if not await spend(budget):
        raise ThrottledError(max(1, budget.retry_after((await seconds_spent(budget))[budget])))


async def authenticate(email: str, password: str, address: str) -> User | None:
    """The active user with this e-mail address and password; None for any other combination.

    Three budgets of failures, the same for accounts that exist and that don't: of an address for one account
    (guessing), of an address (spraying) and of an account (guessing from many addresses). The last would let anybody
    lock anybody out, so an address from which the account has logged in before is exempt from it. Raises
    ThrottledError when one is used up.
    """
    network = network_of(address)
    pair = Budget("login to account from address", f"{email}\0{network}", 10, timedelta(minutes=1))
    spray = Budget("login from address", network, 100, timedelta(seconds=10))
    account = Budget("login to account", email, 30, timedelta(seconds=30))
    # Spent by a login that worked.
    known = Budget("address known to account", f"{email}\0{network}", 1, timedelta(days=90))

    async with _slots:
        spent = await seconds_spent(pair, spray, account, known)
        budgets = [pair, spray] if spent[known] else [pair, spray, account]
        if wait := max(budget.retry_after(spent[budget]) for budget in budgets):
            raise ThrottledError(wait)
        async with new_session(bind=autocommit) as session:
            user = await session.scalar(select(User).where(func.lower(User.email) == func.lower(email), User.is_active))
        check = await check_password(password, user.hashed_password if user else None)
        if user is None or not check.is_correct:
            for budget in budgets:
                await spend(budget)
            return None

    await restore(pair, account)
    await spend(known)
    if check.renewed_hash:
        async with autocommit.connect() as connection:
            await connection.execute(
                update(User)
                .where(User.id == user.id, User.hashed_password == user.hashed_password)
                .values(hashed_password=check.renewed_hash)
            )
    return user
