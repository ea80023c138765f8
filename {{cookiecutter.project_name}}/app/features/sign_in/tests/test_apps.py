"""Mobile and desktop applications: the system's browser, and a code that is exchanged once (RFC 8252)."""

import asyncio
import time
from urllib.parse import parse_qsl

import pytest
from httpx import AsyncClient, Response
from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.features.sign_in.flow import challenge_of
from app.features.sign_in.tests.helpers import PAGE, is_logged_in, sign_in
from app.features.sign_in.tests.provider import FakeProvider
from app.models import User
from app.tests.helpers import client_at, tokens_in
from app.tests.helpers import is_logged_in as has_session

APP = "com.example.app:/signed-in"
VERIFIER = "v" * 43
CHALLENGE = challenge_of(VERIFIER)


async def code_of(client: AsyncClient, company: FakeProvider) -> str:
    location = await sign_in(client, company, return_to=APP, code_challenge=CHALLENGE)
    address, _, fragment = location.partition("#")
    assert address == APP
    return dict(parse_qsl(fragment))["code"]


async def exchange(client: AsyncClient, code: str, verifier: str = VERIFIER) -> Response:
    return await client.post("/auth/providers/exchange", json={"code": code, "code_verifier": verifier})


INVALID = (400, "invalid_grant")


async def test_an_application_gets_tokens_for_a_code_once(client: AsyncClient, company: FakeProvider) -> None:
    code = await code_of(client, company)
    assert not is_logged_in(client)  # the browser isn't
    app = client_at("198.51.100.1")
    responses = await asyncio.gather(*(exchange(app, code) for _ in range(5)))
    assert sorted(response.status_code for response in responses) == [200, 400, 400, 400, 400]
    (tokens,) = [tokens_in(response) for response in responses if response.status_code == 200]
    assert await has_session(client, tokens)
    sessions = await app.get("/auth/sessions", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert [session["login_method"] for session in sessions.json()] == ["company"]


async def test_a_code_is_for_the_application_that_began_and_for_a_minute(
    client: AsyncClient, session: AsyncSession, company: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = await code_of(client, company)
    for stolen, verifier in ((code, "w" * 43), (code[:-5], VERIFIER), ("x", VERIFIER)):
        response = await exchange(client, stolen, verifier)
        assert (response.status_code, response.json()["error"]) == INVALID
    assert (await exchange(client, code)).status_code == 200  # no thief has spent it

    code, begun = await code_of(client, company), time.time()
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda: begun + 62)
        assert (await exchange(client, code)).status_code == 400
    for change in ({"is_active": False}, {"password_changed_at": func.now()}):
        code = await code_of(client, company)
        await session.execute(update(User).values(change))
        await session.commit()
        assert (await exchange(client, code)).status_code == 400
        await session.execute(update(User).values(is_active=True))
        await session.commit()
    assert (await exchange(client, await code_of(client, company))).status_code == 200


async def test_only_a_registered_application_gets_a_code_and_only_with_a_challenge(client: AsyncClient) -> None:
    for query in (
        {"return_to": APP},
        {"return_to": PAGE, "code_challenge": CHALLENGE},
        {"return_to": "com.example.other:/x", "code_challenge": CHALLENGE},
        {"return_to": "javascript:alert(1)", "code_challenge": CHALLENGE},
        {"return_to": "com.example.app:/a b", "code_challenge": CHALLENGE},
    ):
        response = await client.get("/auth/providers/company/login", params=query)
        assert response.status_code == 400, query
    response = await client.get("/auth/providers/company/login", params={"return_to": APP, "code_challenge": "plain"})
    assert response.status_code == 422
