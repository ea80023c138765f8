"""Whose account a new identity logs in to: nobody is taken over, whoever registered first."""

import asyncio
from itertools import count
from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import delete, func, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.oauth_errors import OAuthError, Refusal
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
from app.tests.helpers import PASSWORD, AuditLines, client_at, hash_of_password, try_login

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
    "no email address": {"email": "Ana <ana@example.com>", "email_verified": True},
    "another address": {"email": "bob@example.com", "email_verified": True},
}
NEW_VERIFIED, NEW_UNVERIFIED = "new and verified", "new and unverified"
JOINED = "joined"


def expected(account: str, says: str) -> str:
    if says in {"no address", "no email address"}:
        return "email_required"
    is_verified = says in {"verified", "verified, in words", "another address"}
    if account == "none" or says == "another address":
        return NEW_VERIFIED if is_verified else NEW_UNVERIFIED
    if is_verified and account in {"verified", "inactive"}:
        return JOINED if account == "verified" else "account_unavailable"
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
            case "new and verified":
                assert (location, await accounts()) == (PAGE, [*before, (address, False, True)]), says
                assert await identities() == [(f"subject {number}", address)]
            case "new and unverified":
                assert (location, await accounts()) == (PAGE, [*before, (address, False, False)]), says
                assert await identities() == [(f"subject {number}", address)]
            case "joined":
                assert (location, await accounts()) == (PAGE, before), says
                assert await identities() == [(f"subject {number}", address)]
            case error:
                assert (error_of(location), await accounts(), await identities()) == (error, before, []), says
        assert is_logged_in(client) == (location == PAGE)
        client.cookies.clear()
        await session.execute(delete(User))
        await session.commit()


@pytest.mark.parametrize(
    ("spelling", "address", "is_same"),
    [
        ("ANA@Example.COM", "ana@example.com", True),
        ("ana@e\N{FULLWIDTH LATIN SMALL LETTER X}ample.com", "ana@example.com", True),  # one name in the DNS
        ("\N{KELVIN SIGN}ate@example.com", "kate@example.com", False),  # lower case makes it ASCII
        (
            "\N{LATIN CAPITAL LETTER E WITH ACUTE}mile@example.com",
            "\N{LATIN SMALL LETTER E WITH ACUTE}mile@example.com",
            False,
        ),
        ("an\N{CYRILLIC SMALL LETTER A}@example.com", "ana@example.com", False),
    ],
)
async def test_an_address_is_joined_only_in_a_spelling_that_is_one_mailbox_everywhere(
    client: AsyncClient, session: AsyncSession, company: FakeProvider, spelling: str, address: str, is_same: bool
) -> None:
    session.add(User(address, hash_of_password(), email_verified_at=func.now()))
    await session.commit()
    company.person["email"] = spelling
    await sign_in(client, company)
    assert (await identities() == [("42", address)]) == is_same


async def test_an_identity_is_its_subject_whatever_its_address_becomes(
    client: AsyncClient, company: FakeProvider, other_user: User
) -> None:
    await sign_in(client, company)
    company.person["email"] = other_user.email  # of somebody else
    client.cookies.clear()
    assert await sign_in(client, company) == PAGE
    assert await identities() == [("42", "ana@example.com")]
    # Another subject with the address is somebody else until both sides have verified it.
    company.person = {"sub": "43", "email": "ana@example.com"}
    assert error_of(await sign_in(client, company)) == "account_exists"
    company.person["email_verified"] = True
    assert await sign_in(client, company) == PAGE
    assert await identities() == [("42", "ana@example.com"), ("43", "ana@example.com")]


async def test_simultaneous_identities_of_one_address_share_its_account(
    client: AsyncClient, company: FakeProvider
) -> None:
    answers = []
    for _ in range(4):
        browser = client_at("198.51.100.1")
        answers.append((browser, company.authorize(await begin(browser))))
    numbers = count()
    company.subject = lambda: str(next(numbers))  # each ID token has another one
    responses = await asyncio.gather(*(come_back(browser, answer) for browser, answer in answers))
    assert {response.headers["Location"] for response in responses} == {PAGE}
    assert len(await accounts()) == 1
    assert len(await identities()) == 4


async def test_an_account_that_is_closed_stays_closed(
    client: AsyncClient, session: AsyncSession, company: FakeProvider, audit_lines: AuditLines
) -> None:
    await sign_in(client, company)
    (line, _) = audit_lines()
    assert line["event"] == "identity_linked"
    client.cookies.clear()
    await session.execute(update(User).values(is_active=False))
    await session.commit()
    assert error_of(await sign_in(client, company)) == "account_unavailable"
    assert not is_logged_in(client)
    assert audit_lines() == [{"event": "sign_in_refused"}]


async def test_an_account_without_a_password_refuses_every_password(client: AsyncClient, company: FakeProvider) -> None:
    await sign_in(client, company)
    for password in ("!", "", PASSWORD):
        response = await try_login(client, "ana@example.com", password)
        assert response.status_code in {400, 422}
    assert response.json()["detail"] == "Incorrect email or password"


async def test_a_step_that_stops_a_login_stops_a_sign_in(
    client: AsyncClient, company: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stop(*arguments: object) -> None:
        assert arguments[-1] == "company"
        raise OAuthError(Refusal("computer_says_no", "No", 403), {}, ticket="a b&c")

    monkeypatch.setattr(login, "login_steps", [stop])
    assert await sign_in(client, company) == f"{PAGE}#error=computer_says_no&ticket=a%20b%26c"
    assert not is_logged_in(client)
