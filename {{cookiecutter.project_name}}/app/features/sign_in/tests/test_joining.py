"""Whose account a new identity logs in to: nobody is taken over, whoever registered first."""

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth import login
from app.features.sign_in.tests.helpers import (
    PAGE,
    accounts,
    begin,
    come_back,
    error_of,
    identities,
    is_logged_in,
    sign_in,
)
from app.features.sign_in.tests.provider import FakeProvider
from app.models import User
from app.tests.helpers import PASSWORD, AuditLines, hash_of_password, try_login

ADDRESS = "ana@example.com"
# What our side has with that address, and what the provider says.
ACCOUNTS: dict[str, dict[str, Any]] = {
    "none": {},
    "unverified": {"email_verified_at": None},
    "verified": {"email_verified_at": func.now()},
    "inactive": {"email_verified_at": func.now(), "is_active": False},
    "inactive and unverified": {"email_verified_at": None, "is_active": False},
}
SAYS: dict[str, dict[str, Any]] = {
    "verified": {"email": ADDRESS, "email_verified": True},
    "verified, in words": {"email": ADDRESS, "email_verified": "true"},
    "unverified": {"email": ADDRESS, "email_verified": False},
    "nothing of it": {"email": ADDRESS, "email_verified": None},
    "a lie": {"email": ADDRESS, "email_verified": "false"},
    "no address": {"email": None, "email_verified": True},
    "no address of mail": {"email": "Ana <ana@example.com>", "email_verified": True},
    "another address": {"email": "bob@example.com", "email_verified": True},
}
NEW_VERIFIED, NEW_UNVERIFIED = "a new, verified account", "a new, unverified account"
JOINED = "joined"


def expected(account: str, says: str) -> str:
    match account, says:
        case _, "no address" | "no address of mail":
            return "email_required"
        case _, "another address":
            return NEW_VERIFIED
        case "none", "verified" | "verified, in words":
            return NEW_VERIFIED
        case "none", _:
            return NEW_UNVERIFIED
        case "verified", "verified" | "verified, in words":
            return JOINED
        case "inactive", "verified" | "verified, in words":
            return "account_unavailable"
    return "account_exists"


@pytest.mark.parametrize("account", ACCOUNTS)
async def test_a_new_identity_gets_into_no_account_that_its_owner_has_not_verified(
    client: AsyncClient, session: AsyncSession, company: FakeProvider, account: str
) -> None:
    """One account each, as several identities may come after each other: none of them finds what another left."""
    for number, (says, claims) in enumerate(SAYS.items()):
        if account != "none":
            session.add(User(ADDRESS, hash_of_password()))
            await session.flush()
            await session.execute(update(User).values(ACCOUNTS[account]))
            await session.commit()
        before = await accounts()
        company.person = {"sub": f"subject {number}"} | {
            name: value for name, value in claims.items() if value is not None
        }
        location = await sign_in(client, company)
        address = claims["email"]
        match expected(account, says):
            case "a new, verified account":
                assert (location, await accounts()) == (PAGE, [*before, (address, False, True)]), says
                assert await identities() == [(f"subject {number}", address)]
            case "a new, unverified account":
                assert (location, await accounts()) == (PAGE, [*before, (address, False, False)]), says
                assert await identities() == [(f"subject {number}", address)]
            case "joined":
                assert (location, await accounts()) == (PAGE, before), says
                assert await identities() == [(f"subject {number}", address)]
            case error:
                assert (error_of(location), await accounts(), await identities()) == (error, before, []), says
        assert is_logged_in(client) == (location == PAGE)
        client.cookies.clear()
        await session.execute(User.__table__.delete())
        await session.commit()
