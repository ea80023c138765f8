"""Signing in at a provider: from the button to the cookie."""

import asyncio
import time
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from httpx import AsyncClient

from app.core.config import settings
from app.features.sign_in import discovery, routes
from app.features.sign_in.flow import COOKIE
from app.features.sign_in.settings import ProviderSettings, sign_in_settings
from app.features.sign_in.tests.helpers import (
    PAGE,
    accounts,
    begin,
    come_back,
    error_of,
    headers_of,
    identities,
    is_logged_in,
    sign_in,
)
from app.features.sign_in.tests.provider import FakeProvider, Network
from app.tests.helpers import AuditLines, client_at


async def test_a_browser_comes_back_logged_in(client: AsyncClient, company: FakeProvider) -> None:
    assert (await client.get("/auth/providers")).json() == [{"id": "company", "name": "Company"}]
    for _ in range(2):  # the second time the account is there
        assert await sign_in(client, company) == PAGE
        assert await accounts() == [("ana@example.com", False, True)]
        assert await identities() == [("42", "ana@example.com")]
        headers = await headers_of(client)
        assert (await client.get("/users/me", headers=headers)).json()["email"] == "ana@example.com"
    (session, *_) = (await client.get("/auth/sessions", headers=headers)).json()
    assert session["login_method"] == "company"
    assert company.requests.count("/keys") == 1
    assert "/userinfo" not in company.requests  # the ID token says it all


async def test_the_cookie_of_a_sign_in_is_for_the_callback_only_and_reveals_nothing(
    client: AsyncClient, company: FakeProvider
) -> None:
    response = await client.get("/auth/providers/company/login")
    cookie, location = response.headers["Set-Cookie"], response.headers["Location"]
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    path = f"path={settings.api_prefix}/auth/providers/company/callback"
    assert attributes == {"httponly", "secure", "samesite=lax", "max-age=600", path}
    asked = {name: value for name, (value,) in parse_qs(urlsplit(location).query).items()}
    assert asked["redirect_uri"].endswith("/auth/providers/company/callback")
    assert asked["scope"] == "openid email"
    for name in ("state", "nonce"):
        assert len(asked[name]) == 43
        assert asked[name] not in cookie
    response = await come_back(client, company.authorize(location))
    assert {name.partition("=")[0] for name in response.headers.get_list("Set-Cookie")} == {
        COOKIE,
        "__Secure-refresh_token",
    }
    assert COOKIE not in client.cookies


async def test_only_the_browser_that_began_it_finishes_a_sign_in_and_once(
    client: AsyncClient, company: FakeProvider, audit_lines: AuditLines
) -> None:
    answer = company.authorize(await begin(client))
    others = client_at("198.51.100.1")
    await begin(others)  # it has a sign-in of its own under way: login CSRF
    assert error_of((await come_back(others, answer)).headers["Location"]) == "invalid_state"
    assert COOKIE in others.cookies  # which whoever made it call us has not ended
    assert audit_lines() == [{"event": "sign_in_refused"}]

    cookie = client.cookies[COOKIE]
    assert (await come_back(client, answer)).headers["Location"] == PAGE
    client.cookies.clear()
    assert error_of((await come_back(client, answer)).headers["Location"]) == "invalid_state"
    client.cookies.set(COOKIE, cookie, "api.example.com")
    again = company.authorize(await begin(others)) | {"state": answer["state"]}  # even with a good code
    client.cookies.set(COOKIE, cookie, "api.example.com")
    assert error_of((await come_back(client, again)).headers["Location"]) == "invalid_state"
    assert not is_logged_in(client)


async def test_a_sign_in_lasts_ten_minutes(
    client: AsyncClient, company: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, begun = company.authorize(await begin(client)), time.time()
    (cookie,) = [cookie for cookie in client.cookies.jar if cookie.name == COOKIE]
    cookie.expires = None  # a browser that keeps it for longer
    monkeypatch.setattr(time, "time", lambda: begun + timedelta(minutes=10).total_seconds() + 2)
    assert error_of((await come_back(client, answer)).headers["Location"]) == "invalid_state"


async def test_a_cookie_of_one_provider_is_none_of_another(
    client: AsyncClient, company: FakeProvider, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = network.add(FakeProvider("https://other.example"))
    given = sign_in_settings.sign_in["company"].model_copy(update={"issuer": other.issuer})
    monkeypatch.setitem(sign_in_settings.sign_in, "other", given)
    answer = company.authorize(await begin(client))
    client.cookies.set(COOKIE, client.cookies[COOKIE], "api.example.com", "/")
    assert error_of((await come_back(client, answer, "other")).headers["Location"]) == "invalid_state"


async def test_whoever_changes_their_mind_is_told_so(client: AsyncClient, company: FakeProvider) -> None:
    answer = {"state": company.authorize(await begin(client))["state"], "iss": company.issuer}
    location = (await come_back(client, answer | {"error": "access_denied"})).headers["Location"]
    assert location == f"{PAGE}#error=access_denied"


async def test_a_provider_that_is_down_keeps_nobody_else_from_logging_in(
    client: AsyncClient, company: FakeProvider, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        sign_in_settings.sign_in,
        "down",
        ProviderSettings.model_validate({"issuer": "https://down.example", "client_id": "x", "client_secret": "x"}),
    )
    assert await begin(client, "down") == f"{PAGE}#error=temporarily_unavailable"
    assert await sign_in(client, company) == PAGE
    # Once it is up again, it works after a few seconds.
    network.add(FakeProvider("https://down.example"))
    assert await begin(client, "down") == f"{PAGE}#error=temporarily_unavailable"
    monkeypatch.setattr(discovery, "PAUSE", 0)
    assert (await begin(client, "down")).startswith("https://down.example/authorize?")


async def test_simultaneous_sign_ins_of_one_new_identity_make_one_account(
    client: AsyncClient, company: FakeProvider
) -> None:
    browsers = [client_at("198.51.100.1") for _ in range(50)]
    answers = [company.authorize(await begin(browser)) for browser in browsers]
    responses = await asyncio.gather(*map(come_back, browsers, answers))
    assert {response.headers["Location"] for response in responses} == {PAGE}
    assert await accounts() == [("ana@example.com", False, True)]
    assert await identities() == [("42", "ana@example.com")]
    assert all(map(is_logged_in, browsers))
    assert company.requests.count("/.well-known/openid-configuration") == 1


async def test_a_provider_that_posts_a_form_needs_no_cookie_of_another_site(
    client: AsyncClient, company: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = sign_in_settings.sign_in["company"].model_copy(update={"response_mode": "form_post"})
    monkeypatch.setitem(sign_in_settings.sign_in, "company", given)
    location = await begin(client)
    assert parse_qs(urlsplit(location).query)["response_mode"] == ["form_post"]
    cookies = httpx.Cookies(client.cookies)
    client.cookies.clear()  # as a browser does, since another site sends the form
    form = company.authorize(location) | {"user": '{"name": "x"}'}
    response = await client.post("/auth/providers/company/callback", data=form)
    assert response.status_code == 303
    client.cookies = cookies
    response = await client.get(client.base_url.join(response.headers["Location"]))
    assert response.headers["Location"] == PAGE
    assert is_logged_in(client)


async def test_somebody_who_tries_too_often_is_told_so(
    client: AsyncClient, company: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "LIMIT", (1, timedelta(hours=1)))
    assert await sign_in(client, company) == PAGE
    assert await begin(client) == f"{PAGE}#error=temporarily_unavailable"
