"""Whose account a sign-in is for. Nobody gets into an account by an address that somebody else could have claimed.

An identity, (issuer, subject), logs in to the account that it is linked with. A new one is linked with the account of
its address only if the provider says that the address is verified *and* the account's owner has verified it here.
"""

import time
import uuid
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.deps import lock_recent_owner
from app.auth.accounts import Account, find_account
from app.auth.audit import audit
from app.auth.caller import Caller
from app.auth.clients import Client
from app.auth.login import admit_registration, hidden_accounts
from app.auth.notices import notify
from app.auth.recent_login import make_recent, missing_factor
from app.core.database import Database
from app.core.passwords import NO_PASSWORD
from app.features.sign_in.flow import Flow
from app.features.sign_in.models import Identity
from app.features.sign_in.openid import MAX_CLOCK_SKEW
from app.features.sign_in.providers import Person, Provider
from app.features.sign_in.refusals import SignInRefusedError
from app.models import User

MAX_IDENTITIES: Final = 20  # of an account
_ATTEMPTS: Final = 3  # simultaneous requests may link or remove the identity, or make the account


async def account_of(database: Database, provider: Provider, person: Person, client: Client) -> Account:
    """The account that this person logs in to; a new one if there is none. Raises SignInRefusedError."""
    for _ in range(_ATTEMPTS):
        linked = await _find(database, person)
        if linked is None:
            await _join(database, provider, person, client)
            continue
        account = await find_account(database, linked.user_id, client)
        if account is None:
            raise SignInRefusedError("account_unavailable")
        # After the account was looked up: if the identity is removed from now on, no session begins.
        if await _use(database, linked.id, person):
            return account
    raise SignInRefusedError("temporarily_unavailable")


async def link(database: Database, provider: Provider, person: Person, caller: Caller, client: Client) -> None:
    """Link an identity with the account of a recently logged in caller.

    Raises SignInRefusedError, and what `lock_recent_owner` raises.
    """
    async with database.session() as session:
        await lock_recent_owner(session, caller)
        user = await session.get_one(User, caller.id)
        try:
            await _add(session, user, provider, person)
            await session.commit()
        except IntegrityError:
            is_new = False
        else:
            is_new = True
    if is_new:
        audit("identity_linked", client, caller.id, session_id=caller.session_id)
        return
    linked = await _find(database, person)
    if linked is None or linked.user_id != caller.id:
        raise SignInRefusedError("identity_taken")


async def reauthenticate(database: Database, person: Person, flow: Flow, caller: Caller, client: Client) -> None:
    """Make the caller's session recent, if the provider has just made sure that it is the account's owner.

    Raises SignInRefusedError.
    """
    account = await find_account(database, caller.id, client)
    if account is None:
        raise SignInRefusedError("invalid_token")
    if await missing_factor(database, account.id):
        raise SignInRefusedError("insufficient_user_authentication")
    linked = await _find(database, person)
    if linked is None or linked.user_id != account.id or not await _use(database, linked.id, person):
        raise SignInRefusedError("identity_taken")
    authenticated_at = person.authenticated_at or 0.0
    if not flow.begun_at - MAX_CLOCK_SKEW <= authenticated_at <= time.time() + MAX_CLOCK_SKEW:
        raise SignInRefusedError("login_required")
    if not await make_recent(database, caller, account):
        raise SignInRefusedError("invalid_token")


async def _find(database: Database, person: Person) -> Row[Any] | None:
    columns = select(Identity.__table__.c.id, Identity.__table__.c.user_id)
    return await database.fetch_one(columns.where(Identity.issuer == person.issuer, Identity.subject == person.subject))


async def _use(database: Database, identity_id: uuid.UUID, person: Person) -> bool:
    """Note the use of an identity; False if it was removed."""
    used = update(Identity).where(Identity.id == identity_id).values(last_used_at=func.now(), email=person.email)
    return await database.execute(used) == 1


async def _join(database: Database, provider: Provider, person: Person, client: Client) -> None:
    """Link a new identity with the account of its address, or with a new one. Raises SignInRefusedError.

    Does nothing if a simultaneous request was first; the caller looks again.
    """
    if person.email is None:
        raise SignInRefusedError("email_required")
    if not person.is_verified and _would_be_hidden(person.email):
        raise SignInRefusedError("provider_email_not_verified")  # whether or not there is an account: nobody learns it
    of_address = func.lower(User.email) == func.lower(person.email)
    if await database.fetch_one(select(User.id).where(of_address)) is None:
        await admit_registration(database, client)
    async with database.session() as session:
        user = await session.scalar(select(User).where(of_address).with_for_update(key_share=True))
        is_new = user is None
        if user is None:
            user = User(person.email, NO_PASSWORD)
            user.email_verified_at = func.now() if person.is_verified else None
            session.add(user)
        elif not (person.is_verified and user.email_verified_at):
            raise SignInRefusedError("account_exists")
        elif not user.is_active:
            raise SignInRefusedError("account_unavailable")
        try:
            await session.flush()
            await _add(session, user, provider, person, is_news=not is_new)
            if is_new and not person.is_verified:
                notify(session, "registered", user.email, user.id)
            await session.commit()
        except IntegrityError:
            return
    audit("identity_linked", client, user.id)


def _would_be_hidden(email: str) -> bool:
    """Whether logins treat an account with this address as if it didn't exist until the address is verified."""
    unverified = Account(uuid.uuid4(), email, NO_PASSWORD, datetime.now(UTC), None, None, knows_client=False)
    return any(hides(unverified) for hides in hidden_accounts)


async def _add(session: AsyncSession, user: User, provider: Provider, person: Person, *, is_news: bool = True) -> None:
    """Store the identity and tell the owner. Raises IntegrityError if it is linked already."""
    session.add(Identity(user.id, provider.id, person.issuer, person.subject, person.email))
    await session.flush()
    if await session.scalar(select(func.count()).where(Identity.user_id == user.id)) == MAX_IDENTITIES + 1:
        raise SignInRefusedError("too_many_identities")
    if is_news:
        notify(session, "identity_linked", user.email, user.id, provider=provider.name)
