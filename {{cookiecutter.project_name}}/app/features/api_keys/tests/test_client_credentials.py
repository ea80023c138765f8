"""The grant `client_credentials` (RFC 6749 section 4.4): a key becomes a short token."""

import base64
import time
from datetime import timedelta
from urllib.parse import quote_plus

import pytest
from httpx import AsyncClient
from jose import jwt
from sqlalchemy import JSON, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.claims import CLAIMS
from app.core.config import settings
from app.features.api_keys import grant, uses
from app.features.api_keys.models import ApiKey
from app.features.api_keys.tests.helpers import (
    INVALID_CLIENT,
    basic,
    by_key,
    exchange,
    forged,
    key_of,
    status_of,
    token_of,
)
from app.main import app
from app.models import User
from app.tests.helpers import PATIENCE, Json, bearer, recorded_statements
from app.tests.other_settings import application_with
from app.tests.tokens import forge


@pytest.fixture
async def key(client: AsyncClient, default_user: User) -> Json:
    return await key_of(client, default_user, scopes=["account", "toys:read"])


async def test_a_program_gets_a_short_token_of_its_owner(client: AsyncClient, default_user: User, key: Json) -> None:
    response = await exchange(client, basic(key["id"], key["key"]))
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    body = response.json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["token_type"], body["scope"]) == ("Bearer", "account toys:read")
    assert body["expires_in"] == 60 * settings.access_token_expire_minutes
    claims = jwt.get_unverified_claims(body["access_token"])
    assert (claims["sub"], claims["client_id"], claims["scope"]) == (str(default_user.id), key["id"], body["scope"])
    assert set(claims) == {"iss", "aud", "client_id", "scope", "sub", "sid", "iat", "exp", "jti"}
    assert jwt.get_unverified_header(body["access_token"])["typ"] == "at+jwt"
    assert await status_of(client, bearer(body)) == 200
    assert await status_of(client, bearer(body), "/auth/sessions") == 200


async def test_each_way_to_send_the_secret_works(client: AsyncClient, key: Json) -> None:
    secret = key["key"].split("_")[2]
    for text in (key["key"], secret):
        assert (await exchange(client, client_id=key["id"], client_secret=text)).status_code == 200
        assert (await exchange(client, basic(key["id"], text))).status_code == 200
    # RFC 6749 section 2.3.1 has both parts encoded as in a form; oauth4webapi encodes all but letters and digits.
    strict = [
        "".join(f"%{ord(sign):02X}" if sign in "-_" else sign for sign in part) for part in (key["id"], key["key"])
    ]
    assert (await exchange(client, basic(*strict))).status_code == 200
    # With Basic, the id may stand in the form, too.
    again = await exchange(client, basic(key["id"], key["key"]), client_id=key["id"])
    assert again.status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic é",
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b":").decode(),
        "Basic " + base64.b64encode(b"%00:%00").decode(),
        "Basic " + base64.b64encode(b"%zz:%e9%").decode(),
        "Basic " + base64.b64encode(b"x" * 5000).decode(),
        "Basic " + base64.b64encode(b"%" * 40_000).decode(),
        "Basic " + base64.b64encode("٣٣:٣٣".encode()).decode(),
        "Bearer x",
        "Digest username=x",
    ],
)
async def test_an_odd_header_is_an_invalid_client_without_a_query(client: AsyncClient, authorization: str) -> None:
    with recorded_statements() as statements:
        response = await client.post(
            "/auth/access-token",
            data={"grant_type": "client_credentials"},
            headers=[(b"Authorization", authorization.encode())],
        )
    assert (response.status_code, response.json()) == INVALID_CLIENT
    assert response.headers["WWW-Authenticate"].startswith("Basic ")
    assert statements == []


async def test_a_wrong_client_is_refused(client: AsyncClient, default_user: User, key: Json) -> None:
    other = await key_of(client, default_user)
    wrong = forged()["Authorization"].removeprefix("Bearer ")
    for client_id, secret in (
        (other["id"], key["key"]),
        (key["id"], other["key"].split("_")[2]),
        (key["id"], key["key"][:-1]),
        (key["id"], wrong),
        (key["id"], ""),
        ("", key["key"]),
        ("nobody", key["key"]),
        (default_user.email, key["key"]),
        (key["id"], quote_plus(key["key"]) + " "),
    ):
        for response in (
            await exchange(client, client_id=client_id, client_secret=secret),
            await exchange(client, basic(client_id, secret)),
        ):
            assert (response.status_code, response.json()) == INVALID_CLIENT, (client_id, secret)


async def test_a_client_that_is_named_in_two_ways_is_refused(client: AsyncClient, key: Json) -> None:
    header = basic(key["id"], key["key"])
    for form in (
        {"client_id": key["id"], "client_secret": key["key"]},
        {"client_secret": key["key"]},
        {"client_id": "another"},
    ):
        response = await exchange(client, header, **form)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_no_header_is_decoded_that_is_longer_than_any_of_ours(client: AsyncClient, key: Json) -> None:
    """Decoding 48 KiB of per cent signs would hold up other requests."""
    good = basic(key["id"], key["key"])["Authorization"].removeprefix("Basic ")
    for spaces, status in ((100, 200), (grant.MAX_BASIC_LENGTH, 401)):
        assert (await exchange(client, {"Authorization": f"Basic {' ' * spaces}{good}"})).status_code == status


async def test_too_many_wrong_secrets_are_limited(client: AsyncClient, key: Json) -> None:
    with recorded_statements() as statements:
        statuses = [
            (await exchange(client, client_id=key["id"], client_secret="0" * 40)).status_code for _ in range(25)
        ]
    assert statuses == [401] * 20 + [429] * 5
    assert len(statements) == 20
    response = await exchange(client, client_id=key["id"], client_secret="0" * 40)
    assert response.json()["error"] == "temporarily_unavailable"


async def test_a_token_may_have_fewer_scopes_and_no_more(client: AsyncClient, key: Json) -> None:
    fewer = await token_of(client, key, scope="toys:read")
    assert await status_of(client, fewer) == 200
    assert await status_of(client, fewer, "/auth/sessions") == 403
    for scope, issued in (
        ("toys:read toys:read", "toys:read"),
        (" toys:read  account ", "account toys:read"),
        ("", "account toys:read"),
        (" ", "account toys:read"),
    ):
        response = await exchange(client, basic(key["id"], key["key"]), scope=scope)
        assert response.json()["scope"] == issued
    # Of white space, only a space separates scopes (RFC 6749 section 3.3).
    strange = ("account\ttoys:read", "account\u00a0toys:read", "account\n", "account,toys:read", "ACCOUNT", "account\0")
    for scope in ("users:read", "account users:write", "nonsense", "account " * 100_000, *strange):
        response = await exchange(client, basic(key["id"], key["key"]), scope=scope)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_scope")


async def test_a_token_with_more_scopes_than_its_key_opens_no_more(client: AsyncClient, superuser: User) -> None:
    key = await key_of(client, superuser, scopes=["toys:read"])
    token = (await exchange(client, basic(key["id"], key["key"]))).json()["access_token"]
    wider = forge(token, {"scope": "account toys:read users:read users:write", "iat": int(time.time())})
    for path, status in (("/users/me", 200), ("/auth/sessions", 403), ("/users", 403)):
        assert await status_of(client, {"Authorization": f"Bearer {wider}"}, path) == status


async def test_a_token_of_another_account_or_session_is_refused(
    client: AsyncClient, default_user: User, other_user: User, key: Json
) -> None:
    token = (await exchange(client, basic(key["id"], key["key"]))).json()["access_token"]
    for claims in ({"sub": str(other_user.id)}, {"sid": key["id"]}, {"client_id": str(default_user.id)}):
        wrong = forge(token, claims | {"iat": int(time.time())})
        assert await status_of(client, {"Authorization": f"Bearer {wrong}"}) == 401, claims


async def test_a_token_lives_no_longer_than_its_key(client: AsyncClient, session: AsyncSession, key: Json) -> None:
    await session.execute(update(ApiKey).values(expires_at=func.now() + timedelta(minutes=10)))
    await session.commit()
    response = await exchange(client, basic(key["id"], key["key"]))
    assert 600 - PATIENCE <= response.json()["expires_in"] <= 600


async def test_a_token_that_is_revoked_ends_with_the_others_of_its_key_which_stays(
    client: AsyncClient, key: Json
) -> None:
    first, second = await token_of(client, key), await token_of(client, key)
    token = first["Authorization"].removeprefix("Bearer ")
    for _ in range(2):
        assert (await client.post("/auth/revoke", data={"token": token})).status_code == 200
    assert [await status_of(client, headers) for headers in (first, second)] == [401, 401]
    assert await status_of(client, by_key(key)) == 200
    assert await status_of(client, await token_of(client, key)) == 200


async def test_the_caller_takes_one_statement_by_key_and_by_token(client: AsyncClient, key: Json) -> None:
    headers = await token_of(client, key)
    await uses.finish_notes()
    for each in (by_key(key), headers):
        with recorded_statements() as statements:
            assert await status_of(client, each) == 200
        assert len(statements) == 1
    with recorded_statements() as statements:
        await token_of(client, key)
    assert len(statements) == 1, "a token is no row"


async def test_the_metadata_say_so(default_user: User) -> None:
    async with application_with(PUBLIC_URL="https://api.example.com") as client:
        url = "https://api.example.com/.well-known/oauth-authorization-server"
        metadata = (await client.get(url)).json()
    assert metadata["grant_types_supported"] == ["password", "refresh_token", "client_credentials"]
    methods = ["none", "client_secret_basic", "client_secret_post"]
    assert metadata["token_endpoint_auth_methods_supported"] == methods
    assert {"account", "users:read"} <= set(metadata["scopes_supported"])


def test_the_specification_says_so() -> None:
    flows = app.openapi()["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]
    assert flows["clientCredentials"] == {name: flows["password"][name] for name in ("tokenUrl", "scopes")}


async def test_tokens_of_keys_have_the_claims_of_ones_own_too(
    client: AsyncClient, key: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = func.json_build_object("address", User.email, "scope", "users:write", type_=JSON()).label("claims")
    monkeypatch.setitem(CLAIMS, "address", User.email)
    monkeypatch.setattr(grant, "_CLAIMS", select(claims).where(User.id == bindparam("user_id")))
    token = (await exchange(client, basic(key["id"], key["key"]))).json()["access_token"]
    issued = jwt.get_unverified_claims(token)
    assert (issued["address"], issued["scope"]) == ("ana@example.com", "account toys:read")
