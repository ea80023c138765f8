"""After a sign-in, a second factor is asked for as after a password."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from httpx import AsyncClient
from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.features.second_factor.tests.helpers import set_up
from app.features.sign_in.flow import challenge_of
from app.features.sign_in.tests.helpers import error_of, finish, headers_of, is_logged_in, sign_in, start
from app.features.sign_in.tests.provider import FakeProvider
from app.models import User
from app.tests.helpers import AuditLines

pytestmark = pytest.mark.usefixtures("one_moment")


async def test_a_sign_in_goes_on_with_a_code(
    client: AsyncClient,
    session: AsyncSession,
    company: FakeProvider,
    default_user: User,
    default_user_headers: dict[str, str],
    audit_lines: AuditLines,
) -> None:
    await session.execute(update(User).values(email_verified_at=func.now()))
    await session.commit()
    factor = await set_up(client, default_user_headers)
    audit_lines()
    refusal = dict(parse_qsl(urlsplit(await sign_in(client, company)).fragment))
    assert refusal.keys() == {"error", "mfa_token"}
    assert refusal["error"] == "mfa_required"
    assert not is_logged_in(client)
    assert [line["event"] for line in audit_lines()] == ["identity_linked"]

    body = {"mfa_token": refusal["mfa_token"], "code": factor.code()}
    assert (await client.post("/auth/browser/second-factor", json=body)).status_code == 200
    assert is_logged_in(client)

    # An application is asked for it when it exchanges its code.
    verifier = "v" * 43
    query = {"return_to": "com.example.app:/x", "code_challenge": challenge_of(verifier)}
    code = dict(parse_qsl(urlsplit(await sign_in(client, company, **query)).fragment))["code"]
    response = await client.post("/auth/providers/exchange", json={"code": code, "code_verifier": verifier})
    assert (response.status_code, response.json()["error"]) == (403, "mfa_required")


async def test_a_provider_alone_makes_no_session_recent_where_a_code_is_wanted(
    client: AsyncClient, company: FakeProvider
) -> None:
    await sign_in(client, company)
    headers = await headers_of(client)
    started = await start(client, headers, "reauthenticate")
    await set_up(client, headers)
    response = await start(client, headers, "reauthenticate")
    assert (response.status_code, response.json()["detail"]) == (400, "Invalid code")
    assert error_of(await finish(client, company, started)) == "insufficient_user_authentication"
    response = await start(client, headers)
    assert (response.status_code, response.json()["error"]) == (401, "insufficient_user_authentication")
