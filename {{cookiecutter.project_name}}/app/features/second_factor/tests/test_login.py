"""Logging in to an account with a second factor."""

import base64
import time
from datetime import timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from httpx import AsyncClient
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import PROJECT
from app.core.security import create_refresh_token
from app.features.second_factor.tests.helpers import (
    INVALID,
    Factor,
    answer,
    code_at,
    confirm,
    mfa_token,
    now,
    set_up,
    state,
)
from app.models import User
from app.tests.helpers import PASSWORD, bearer, begin, login, tokens_in, try_login

pytestmark = pytest.mark.usefixtures("one_moment")


async def test_a_login_wants_a_code_once_the_app_is_confirmed(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str]
) -> None:
    assert await state(client, default_user_headers) == (False, 0)
    setup = await client.post("/auth/totp", headers=default_user_headers)
    uri = urlsplit(setup.json()["otpauth_uri"])
    assert (uri.scheme, uri.netloc, unquote(uri.path)) == ("otpauth", "totp", f"/{PROJECT['name']}:ana@example.com")
    assert parse_qs(uri.query) == {"secret": [setup.json()["secret"]], "issuer": [PROJECT["name"]]}
    await login(client, default_user)  # nobody has shown yet that the app has the secret

    code = code_at(setup.json()["secret"], now() - 1)
    confirmed = await confirm(client, default_user_headers, code)
    codes = confirmed.json()["recovery_codes"]
    assert len(set(codes)) == 10
    assert await state(client, default_user_headers) == (True, 10)

    response = await try_login(client, default_user.email)
    assert response.status_code == 403
    assert response.headers["Cache-Control"] == "no-store"
    token = response.json().pop("mfa_token")
    assert response.json() == {"detail": "Second factor required", "error": "mfa_required", "mfa_token": token}
    tokens = tokens_in(await answer(client, token, code_at(setup.json()["secret"], now())))
    (current,) = [
        listed for listed in (await client.get("/auth/sessions", headers=bearer(tokens))).json() if listed["current"]
    ]
    assert current["login_method"] == "totp"


async def test_only_the_right_password_leads_to_the_code(
    client: AsyncClient, default_user: User, factor: Factor
) -> None:
    with_factor = await try_login(client, default_user.email, "wrong")
    unknown = await try_login(client, "nobody@example.com", "wrong")
    assert (with_factor.status_code, with_factor.content) == (unknown.status_code, unknown.content)
    assert with_factor.status_code == 400
    assert set(with_factor.headers) == set(unknown.headers)


async def test_a_recovered_password_does_not_get_around_the_second_factor(
    client: AsyncClient, session: AsyncSession, default_user: User, factor: Factor
) -> None:
    before = await mfa_token(client, default_user)
    await session.execute(update(User).values(password_changed_at=User.password_changed_at + timedelta(seconds=1)))
    await session.commit()
    assert (await answer(client, before, factor.code())).status_code == 400, "it was for the older password"
    assert (await answer(client, await mfa_token(client, default_user), factor.code())).status_code == 200


async def test_an_mfa_token_is_for_its_account_only(
    client: AsyncClient, other_user: User, default_user: User, factor: Factor
) -> None:
    others = await set_up(client, bearer(await begin(other_user)))
    token = await mfa_token(client, other_user)
    raw = base64.urlsafe_b64decode(token + "==")
    forged = base64.urlsafe_b64encode(default_user.id.bytes + raw[16:]).decode()
    assert (await answer(client, forged, factor.code())).status_code == 400
    for code in (factor.code(), factor.recovery_codes[0]):
        assert (await answer(client, token, code)).status_code == 400
    assert (await answer(client, token, others.code())).status_code == 200


async def test_an_mfa_token_expires_after_five_minutes(
    client: AsyncClient, default_user: User, factor: Factor, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, moment = await mfa_token(client, default_user), time.time()
    monkeypatch.setattr(time, "time", lambda: moment + 301)
    response = await answer(client, token, factor.code())
    assert (response.status_code, response.json()) == INVALID
    monkeypatch.setattr(time, "time", lambda: moment + 298)
    assert (await answer(client, token, factor.code())).status_code == 200


async def test_no_kind_of_token_stands_in_for_another(client: AsyncClient, default_user: User, factor: Factor) -> None:
    token = await mfa_token(client, default_user)
    tokens = tokens_in(await answer(client, token, factor.code()))
    assert (await client.get("/users/me", headers={"Authorization": f"Bearer {token}"})).status_code == 401
    assert (await client.post("/auth/refresh-token", json={"refresh_token": token})).status_code == 400
    mac_of_another_kind = create_refresh_token(default_user.id, int(time.time()) + 60)
    for other in (tokens["access_token"][:256], tokens["refresh_token"], mac_of_another_kind, "", "é", "AAAA"):
        response = await answer(client, other, factor.code(1))
        assert response.status_code == 400, other


async def test_a_browser_gets_the_cookie(client: AsyncClient, default_user: User, factor: Factor) -> None:
    form = {"username": default_user.email, "password": PASSWORD}
    response = await client.post("/auth/browser/login", data=form)
    assert (response.status_code, response.json()["error"]) == (403, "mfa_required")
    assert "Set-Cookie" not in response.headers
    body = {"mfa_token": response.json()["mfa_token"], "code": factor.code()}
    foreign = await client.post("/auth/browser/second-factor", json=body, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    response = await client.post("/auth/browser/second-factor", json=body)
    assert response.status_code == 200
    assert "refresh_token" not in response.json()
    assert "HttpOnly" in response.headers["Set-Cookie"]
    assert (await client.get("/users/me", headers=bearer(response.json()))).status_code == 200
