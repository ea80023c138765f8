"""Who registers first with somebody else's address keeps nobody out; and what owners are told."""

import pytest
from httpx import AsyncClient
from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.features.mail.tests.helpers import NEW, OWN_PASSWORD, SETTINGS, Mailbox, Stranger, recover, verify
from app.features.sign_in.tests.helpers import (
    PAGE,
    accounts,
    error_of,
    headers_of,
    identities,
    is_logged_in,
    sign_in,
)
from app.features.sign_in.tests.provider import FakeProvider
from app.models import User
from app.tests.helpers import client_at, try_login
from app.tests.other_settings import other_settings


@pytest.fixture(autouse=True)
def of_new(company: FakeProvider) -> None:
    company.person = {"sub": "42", "email": NEW, "email_verified": True}


async def test_an_owner_ends_what_a_stranger_left_and_then_signs_in(
    client: AsyncClient, company: FakeProvider, mailbox: Mailbox
) -> None:
    stranger = Stranger()
    await stranger.move_in()  # registers with the owner's address, and logs in
    assert error_of(await sign_in(client, company)) == "account_exists"
    assert (await recover(client, mailbox)).status_code == 204
    assert not await stranger.has_anything_left()
    assert await sign_in(client, company) == PAGE
    assert await identities() == [("42", NEW)]
    assert (await try_login(client, NEW, OWN_PASSWORD)).status_code == 200


async def test_an_owner_ends_the_linked_login_of_a_stranger(
    client: AsyncClient, company: FakeProvider, mailbox: Mailbox
) -> None:
    """It came from a provider that lets people write any address, and was there first."""
    company.person = {"sub": "stranger", "email": NEW, "email_verified": False}
    stranger = client_at("198.51.100.9")
    assert await sign_in(stranger, company) == PAGE
    headers = await headers_of(stranger)
    assert (await recover(client, mailbox)).status_code == 204
    assert (await stranger.get("/users/me", headers=headers)).status_code == 401
    assert await identities() == []
    assert error_of(await sign_in(stranger, company)) == "account_exists"
    company.person = {"sub": "42", "email": NEW, "email_verified": True}
    assert await sign_in(client, company) == PAGE
    assert await identities() == [("42", NEW)]


async def test_a_forgotten_password_sets_a_first_one(
    client: AsyncClient, company: FakeProvider, mailbox: Mailbox
) -> None:
    await sign_in(client, company)
    assert await mailbox.subjects() == {}  # the provider has verified the address
    assert (await recover(client, mailbox)).status_code == 204
    assert (await try_login(client, NEW, OWN_PASSWORD)).status_code == 200
    assert await identities() == [("42", NEW)]  # of an address that was verified, nothing was a stranger's


async def test_an_address_that_a_provider_has_not_verified_is_verified_by_an_email(
    client: AsyncClient, company: FakeProvider, mailbox: Mailbox
) -> None:
    company.person["email_verified"] = False
    await sign_in(client, company)
    headers = await headers_of(client)
    assert (await verify(client, await mailbox.token(NEW, "verify-email"), headers)).status_code == 204
    assert await accounts() == [(NEW, False, True)]
    assert await sign_in(client, company) == PAGE


@pytest.mark.parametrize("kind", SETTINGS)
async def test_nobody_learns_by_an_address_that_he_only_claims_whether_it_has_an_account(
    client: AsyncClient, session: AsyncSession, company: FakeProvider, other_user: User, kind: str
) -> None:
    await session.execute(update(User).values(email_verified_at=func.now()))
    await session.commit()
    with other_settings(**SETTINGS[kind]):
        errors = {}
        for number, email in enumerate((other_user.email, NEW)):
            company.person = {"sub": str(number), "email": email, "email_verified": False}
            errors[email] = error_of(await sign_in(client, company))
        company.person = {"sub": "42", "email": other_user.email, "email_verified": True}
        assert await sign_in(client, company) == PAGE
    assert is_logged_in(client)
    assert (
        errors
        == {
            "optional": {other_user.email: "account_exists", NEW: ""},
            "required": {other_user.email: "account_exists", NEW: "email_not_verified"},
            "discreet": dict.fromkeys((other_user.email, NEW), "provider_email_not_verified"),
        }[kind]
    )
    assert len(await accounts()) == (1 if kind == "discreet" else 2)


async def test_owners_are_told_when_a_linked_login_comes_or_goes(
    client: AsyncClient, session: AsyncSession, company: FakeProvider, other_user: User, mailbox: Mailbox
) -> None:
    await session.execute(update(User).values(email_verified_at=func.now()))
    await session.commit()
    company.person["email"] = other_user.email
    await sign_in(client, company)
    (email,) = await mailbox.collect()
    assert (email["To"], email["Subject"]) == (other_user.email, "A login was linked with your account")
    assert "a login with Company was linked" in email.as_string()
    headers = await headers_of(client)
    (identity,) = (await client.get("/auth/identities", headers=headers)).json()
    await client.delete(f"/auth/identities/{identity['id']}", headers=headers)
    (email,) = await mailbox.collect()
    assert (email["To"], email["Subject"]) == (other_user.email, "A linked login was removed")
