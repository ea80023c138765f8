"""Registering, listing and removing passkeys."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from unittest.mock import ANY

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from httpx import AsyncClient
from pydantic import ValidationError
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.caller import RECENT
from app.core.config import PROJECT, settings
from app.features.passkeys.models import Passkey
from app.features.passkeys.tests.authenticator import ORIGIN, Authenticator, Key, base64url, decoded
from app.features.passkeys.tests.helpers import (
    INVALID,
    audited,
    login_options,
    options_for,
    read,
    register,
    send,
    use,
)
from app.main import app
from app.models import LoginSession, User
from app.tests.helpers import PASSWORD, bearer, begin, tokens_in, waiting_for_locks
from app.tests.other_settings import application_with, other_settings


def test_every_promised_route_exists_under_its_name() -> None:
    operations = {
        (method, path.removeprefix(settings.api_prefix)): operation["operationId"]
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
        if {"passkeys", "webauthn"} & set(path.split("/"))
    }
    assert operations == {
        ("get", "/auth/passkeys"): "read_my_passkeys",
        ("post", "/auth/passkeys/options"): "begin_passkey_registration",
        ("post", "/auth/passkeys"): "register_passkey",
        ("delete", "/auth/passkeys/{passkey_id}"): "remove_passkey",
        ("post", "/auth/passkeys/login/options"): "begin_passkey_login",
        ("post", "/auth/passkeys/login"): "log_in_with_passkey",
        ("post", "/auth/browser/passkeys/login"): "log_in_with_passkey_browser",
        ("get", "/.well-known/webauthn"): "read_related_origins",
    }


async def test_the_options_are_those_of_webauthn(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str]
) -> None:
    passkey = Authenticator()
    await register(client, default_user_headers, passkey)
    assert await options_for(client, default_user_headers) == {
        "rp": {"id": "localhost", "name": PROJECT["name"]},
        "user": {"id": base64url(default_user.id.bytes), "name": default_user.email, "displayName": default_user.email},
        "challenge": ANY,
        "pubKeyCredParams": [{"alg": algorithm, "type": "public-key"} for algorithm in (-7, -8, -257)],
        "timeout": 300_000,
        "excludeCredentials": [{"id": base64url(passkey.id), "type": "public-key"}],
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        },
        "attestation": "none",
    }


async def test_passkeys_are_listed_with_their_names(
    client: AsyncClient, default_user_headers: dict[str, str], other_user: User
) -> None:
    named = await register(client, default_user_headers, Authenticator(), name="Ana's phone 📱")
    unnamed = await register(client, default_user_headers, Authenticator())
    assert named == {"id": ANY, "name": "Ana's phone 📱", "created_at": ANY, "last_used_at": None}
    assert unnamed["name"] == "Passkey"
    assert await read(client, default_user_headers) == [named, unnamed]
    assert await read(client, bearer(await begin(other_user))) == []
    options = await options_for(client, default_user_headers)
    for name in ("", "x" * 51, "\0", 1, None):
        body = Authenticator().create(options) | {"name": name}
        assert (await send(client, default_user_headers, body)).status_code == 422


@pytest.mark.parametrize("make", [ed25519.Ed25519PrivateKey.generate, lambda: rsa.generate_private_key(65537, 2048)])
async def test_other_algorithms_work_too(
    client: AsyncClient, default_user_headers: dict[str, str], make: Callable[[], Key]
) -> None:
    passkey = Authenticator(make())
    await register(client, default_user_headers, passkey)
    assert (await use(client, passkey)).status_code == 200


@pytest.mark.parametrize("kind", ["another user's", "another session's", "of a login", "forged", "empty"])
async def test_only_a_challenge_for_this_session_will_do(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str], other_user: User, kind: str
) -> None:
    options = await options_for(client, default_user_headers)
    if kind == "of a login":
        options["challenge"] = (await login_options(client))["challenge"]
    elif kind in {"forged", "empty"}:
        raw = decoded(options["challenge"])
        options["challenge"] = base64url(raw[:19] + bytes([raw[19] ^ 1]) + raw[20:] if kind == "forged" else b"")
    else:
        headers = bearer(await begin(other_user if kind == "another user's" else default_user))
        options = await options_for(client, headers)
    response = await send(client, default_user_headers, Authenticator().create(options))
    assert (response.status_code, response.json()) == INVALID
    assert await read(client, default_user_headers) == []


@pytest.mark.usefixtures("one_moment")
async def test_a_challenge_expires_after_five_minutes(
    client: AsyncClient, default_user_headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options, moment = await options_for(client, default_user_headers), time.time()
    monkeypatch.setattr(time, "time", lambda: moment + 300)
    response = await send(client, default_user_headers, Authenticator().create(options))
    assert (response.status_code, response.json()) == INVALID
    monkeypatch.setattr(time, "time", lambda: moment + 298)
    assert (await send(client, default_user_headers, Authenticator().create(options))).status_code == 201


async def test_a_challenge_works_once(client: AsyncClient, default_user_headers: dict[str, str]) -> None:
    options = await options_for(client, default_user_headers)
    bodies = [Authenticator().create(options) for _ in range(15)]
    responses = await asyncio.gather(*(send(client, default_user_headers, body) for body in bodies))
    assert Counter(response.status_code for response in responses) == {201: 1, 400: 14}
    assert len(await read(client, default_user_headers)) == 1
    response = await send(client, default_user_headers, bodies[0])
    assert (response.status_code, response.json()) == INVALID


async def test_a_passkey_is_registered_once(
    client: AsyncClient, default_user_headers: dict[str, str], other_user: User
) -> None:
    passkey, headers = Authenticator(), bearer(await begin(other_user))
    await register(client, default_user_headers, passkey)
    for again in (default_user_headers, headers):
        response = await send(client, again, passkey.create(await options_for(client, again)))
        assert (response.status_code, response.json()) == (409, {"detail": "This passkey is registered already"})
    assert await read(client, headers) == []
    assert len(await read(client, default_user_headers)) == 1


async def test_an_account_has_twenty_passkeys_at_most(
    client: AsyncClient, session: AsyncSession, default_user: User, default_user_headers: dict[str, str]
) -> None:
    session.add_all([Passkey(default_user.id, "", bytes([number]), b"", 0) for number in range(18)])
    await session.commit()
    bodies = [Authenticator().create(await options_for(client, default_user_headers)) for _ in range(4)]
    responses = await asyncio.gather(*(send(client, default_user_headers, body) for body in bodies))
    assert Counter(response.status_code for response in responses) == {201: 2, 409: 2}
    assert len(await read(client, default_user_headers)) == 20
    assert (await client.post("/auth/passkeys/options", headers=default_user_headers)).status_code == 409


async def test_the_end_of_all_sessions_is_the_end_of_registrations(
    client: AsyncClient, session: AsyncSession, default_user: User, default_user_headers: dict[str, str]
) -> None:
    """Such as a new password: no passkey of a thief comes after it."""
    body = Authenticator().create(await options_for(client, default_user_headers))
    await session.execute(select(User.id).where(User.id == default_user.id).with_for_update())
    registration = asyncio.create_task(send(client, default_user_headers, body))
    await waiting_for_locks(1)
    await session.execute(delete(LoginSession))
    await session.commit()
    assert (await registration).status_code == 401
    assert (await session.scalars(select(Passkey.id))).all() == []


async def test_owners_remove_passkeys_of_their_own_only(
    client: AsyncClient, default_user_headers: dict[str, str], other_user: User
) -> None:
    passkey_id = (await register(client, default_user_headers, Authenticator()))["id"]
    path = f"/auth/passkeys/{passkey_id}"
    response = await client.delete(path, headers=bearer(await begin(other_user)))
    assert (response.status_code, response.json()) == (404, {"detail": "Passkey not found"})
    statuses = [(await client.delete(path, headers=default_user_headers)).status_code for _ in range(2)]
    assert statuses == [204, 404]
    assert await read(client, default_user_headers) == []


async def test_pages_of_other_origins_that_are_named_may_use_passkeys(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    passkey = Authenticator()
    passkey.client_data = {"origin": "https://app.example.com"}  # in the tests' BACKEND_CORS_ORIGINS
    await register(client, default_user_headers, passkey)
    assert (await use(client, passkey)).status_code == 200
    with other_settings(BACKEND_CORS_ORIGINS="*"):
        assert (await use(client, passkey)).status_code == 400


@pytest.mark.parametrize("rp_id", [None, "example.com"])
async def test_public_url_says_whose_the_passkeys_are(
    client: AsyncClient, default_user: User, rp_id: str | None
) -> None:
    with other_settings(PUBLIC_URL="https://api.example.com", PASSKEY_RP_ID=rp_id):
        headers = bearer(await begin(default_user))
        passkey = Authenticator()
        passkey.rp_id = rp_id or "api.example.com"
        passkey.client_data = {"origin": "https://api.example.com"}
        assert (await options_for(client, headers))["rp"]["id"] == passkey.rp_id
        assert (await login_options(client))["rpId"] == passkey.rp_id
        await register(client, headers, passkey)
        assert (await use(client, passkey)).status_code == 200
        for origin in (ORIGIN, "http://api.example.com", "https://example.com", "https://evil.example.com"):
            passkey.client_data = {"origin": origin}
            assert (await use(client, passkey)).status_code == 400


async def test_browsers_learn_which_origins_may_use_passkeys(client: AsyncClient) -> None:
    path = client.base_url.join("/.well-known/webauthn")
    assert (await client.get(path)).status_code == 404
    with other_settings(PUBLIC_URL="https://api.example.com", BACKEND_CORS_ORIGINS="https://a.example, *"):
        response = await client.get(path)
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == {"origins": ["https://a.example"]}


@pytest.mark.parametrize(
    "rp_id", ["evil.example", "ample.com", "b.api.example.com", "https://example.com", "EXAMPLE.com"]
)
def test_passkeys_belong_to_the_domain_of_the_public_url_or_one_above_it(rp_id: str) -> None:
    with (
        pytest.raises(ValidationError, match=r"(?i)passkey_rp_id"),
        other_settings(PUBLIC_URL="https://api.example.com", PASSKEY_RP_ID=rp_id),
    ):
        pass


async def test_production_has_passkeys_only_with_a_public_url() -> None:
    production = {"ENVIRONMENT": "production", "DATABASE_URL": settings.sqlalchemy_url.render_as_string(False)}
    async with application_with(**production) as client:
        assert (await client.post("/auth/passkeys/login/options")).status_code == 404
    async with application_with(**production, PUBLIC_URL="https://api.example.com") as client:
        assert (await login_options(client))["rpId"] == "api.example.com"


async def test_only_owners_who_were_just_there_change_passkeys(
    client: AsyncClient, session: AsyncSession, default_user_headers: dict[str, str]
) -> None:
    passkey = Authenticator()
    path = f"/auth/passkeys/{(await register(client, default_user_headers, passkey))['id']}"
    body = Authenticator().create(await options_for(client, default_user_headers))
    await session.execute(update(LoginSession).values(authenticated_at=func.now() - RECENT))
    await session.commit()
    for method, url, json in (
        ("POST", "/auth/passkeys/options", None),
        ("POST", "/auth/passkeys", body),
        ("DELETE", path, None),
    ):
        response = await client.request(method, url, json=json, headers=default_user_headers)
        assert (response.status_code, response.json()["error"]) == (401, "insufficient_user_authentication")
        assert "max_age=600" in response.headers["WWW-Authenticate"]
    assert len(await read(client, default_user_headers)) == 1, "whoever is logged in may look"
    by_passkey = bearer(tokens_in(await use(client, passkey)))
    assert (await client.post("/auth/passkeys/options", headers=by_passkey)).status_code == 200
    proof = {"password": PASSWORD}
    response = await client.post("/auth/reauthenticate", json=proof, headers=default_user_headers)
    assert response.status_code == 204
    assert (await send(client, default_user_headers, body)).status_code == 201
    assert (await client.delete(path, headers=default_user_headers)).status_code == 204


async def test_what_comes_and_goes_is_logged(
    client: AsyncClient,
    default_user: User,
    default_user_headers: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    passkey_id = (await register(client, default_user_headers, Authenticator()))["id"]
    for _ in range(2):  # the second time in vain
        await client.delete(f"/auth/passkeys/{passkey_id}", headers=default_user_headers)
    assert audited(caplog) == [
        (event, str(default_user.id)) for event in ("second_factor_added", "second_factor_removed")
    ]
