"""The token endpoint and revocation as OAuth clients use them: RFC 6749 and RFC 7009."""

import base64

import pytest
from httpx import AsyncClient, Response
from jose import jwt

from app.models import User
from app.tests.helpers import PASSWORD, begin, is_logged_in, login, refresh, try_refresh
from app.tests.tokens import NOW, forge


async def ask(client: AsyncClient, **form: str) -> Response:
    return await client.post("/auth/access-token", data=form)


async def revoke(client: AsyncClient, token: str, **form: str) -> Response:
    return await client.post("/auth/revoke", data={"token": token} | form)


async def test_the_refresh_grant_gives_the_next_tokens_of_the_session(client: AsyncClient, default_user: User) -> None:
    first = await login(client, default_user)
    response = await ask(client, grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    second = response.json()
    assert second.keys() == first.keys()
    assert (
        jwt.get_unverified_claims(second["access_token"])["sid"]
        == (jwt.get_unverified_claims(first["access_token"])["sid"])
    )
    third = await refresh(client, second)
    again = await ask(client, grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert (again.status_code, again.json()) == (400, {"detail": "Invalid refresh token", "error": "invalid_grant"})
    assert not await is_logged_in(client, third)


async def test_what_else_oauth_clients_send_is_ignored(client: AsyncClient, default_user: User) -> None:
    known = {"grant_type": "password", "username": default_user.email, "password": PASSWORD}
    unknown = {
        "scope": "",
        "client_id": "anybody",
        "client_secret": "any",
        "audience": "x",
        "resource": "https://x.example",
    }
    basic = {"Authorization": "Basic " + base64.b64encode(b"client:secret").decode()}
    response = await client.post("/auth/access-token", data=known | unknown, headers=basic)
    assert response.status_code == 200
    known = {"grant_type": "refresh_token", "refresh_token": response.json()["refresh_token"]}
    response = await client.post("/auth/access-token", data=known | unknown, headers=basic)
    assert response.status_code == 200
    revoked = await client.post(
        "/auth/revoke", data=unknown | {"token": response.json()["access_token"]}, headers=basic
    )
    assert revoked.status_code == 200
    assert not await is_logged_in(client, response.json())


async def test_the_password_grant_is_the_default(client: AsyncClient, default_user: User) -> None:
    for form in ({}, {"grant_type": ""}):
        assert (await ask(client, username=default_user.email, password=PASSWORD, **form)).status_code == 200


@pytest.mark.parametrize("grant_type", ["implicit", "authorization_code", "Password", "refresh-token"])
async def test_another_grant_type_is_unsupported(client: AsyncClient, default_user: User, grant_type: str) -> None:
    for form in ({"username": default_user.email, "password": PASSWORD}, {}):
        response = await ask(client, grant_type=grant_type, **form)
        assert response.status_code == 400
        assert response.json() == {"detail": "Unsupported grant type", "error": "unsupported_grant_type"}


@pytest.mark.parametrize(
    ("form", "wrong"),
    [
        ({}, [("missing", "username"), ("missing", "password")]),
        ({"grant_type": "password", "username": "ana@example.com"}, [("missing", "password")]),
        ({"grant_type": "password", "username": "", "password": PASSWORD}, [("missing", "username")]),
        (
            {"grant_type": "refresh_token", "username": "ana@example.com", "password": PASSWORD},
            [("missing", "refresh_token")],
        ),
        ({"grant_type": "refresh_token", "refresh_token": "A" * 513}, [("string_too_long", "refresh_token")]),
        ({"username": "a" * 255, "password": PASSWORD}, [("string_too_long", "username")]),
    ],
)
async def test_a_missing_or_malformed_parameter_is_an_invalid_request(
    client: AsyncClient, default_user: User, form: dict[str, str], wrong: list[tuple[str, str]]
) -> None:
    response = await ask(client, **form)
    assert (response.status_code, response.json()["error"]) == (422, "invalid_request")
    assert [(problem["type"], *problem["loc"]) for problem in response.json()["detail"]] == [
        (kind, "body", name) for kind, name in wrong
    ]
    assert PASSWORD not in response.text


async def test_credentials_in_json_are_an_invalid_request(client: AsyncClient, default_user: User) -> None:
    credentials = {"username": default_user.email, "password": PASSWORD}
    response = await client.post("/auth/access-token", json=credentials)
    assert (response.status_code, response.json()["error"]) == (422, "invalid_request")


async def test_too_many_attempts_have_a_code_too(client: AsyncClient, default_user: User) -> None:
    """Or authlib would take the answer for a token."""
    for _ in range(10):
        await ask(client, username=default_user.email, password="wrong")
    response = await ask(client, username=default_user.email, password="wrong")
    assert (response.status_code, response.json()["error"]) == (429, "temporarily_unavailable")
    assert "Retry-After" in response.headers


@pytest.mark.parametrize("path", ["/auth/access-token", "/auth/revoke"])
@pytest.mark.parametrize("headers", [{}, {"Content-Type": "multipart/form-data"}])
async def test_a_body_that_is_no_form_has_a_code_too(client: AsyncClient, path: str, headers: dict[str, str]) -> None:
    response = await client.post(path, content=b"x", headers=headers)
    assert response.status_code in {400, 422}
    assert response.json()["error"] == "invalid_request"


async def test_errors_of_other_routes_have_no_code(client: AsyncClient) -> None:
    for response in (
        await try_refresh(client, "nonsense"),
        await client.post("/auth/refresh-token", json={}),
        await client.get("/users/me"),
        await client.get("/nowhere"),
    ):
        assert response.json().keys() == {"detail"}


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "id_token", ""])
async def test_revocation_ends_the_session_of_either_token_whatever_the_hint(
    client: AsyncClient, default_user: User, kind: str, hint: str
) -> None:
    ended, other = await begin(default_user), await begin(default_user)
    response = await revoke(client, ended[kind], token_type_hint=hint)
    assert (response.status_code, response.content) == (200, b"")
    assert not await is_logged_in(client, ended)
    assert (await try_refresh(client, ended["refresh_token"])).status_code == 400
    assert await is_logged_in(client, other)


async def test_a_spent_refresh_token_or_an_expired_access_token_is_enough(
    client: AsyncClient, default_user: User
) -> None:
    first = await begin(default_user)
    second = await refresh(client, first)
    await revoke(client, first["refresh_token"])
    assert not await is_logged_in(client, second)

    tokens = await begin(default_user)
    expired = forge(tokens["access_token"], {"iat": NOW - 3600, "exp": NOW - 60})
    assert not await is_logged_in(client, {"access_token": expired})
    await revoke(client, expired)
    assert not await is_logged_in(client, tokens)


@pytest.mark.parametrize("token", ["nonsense", "=", "\0", "żółw", "A" * 72, "e30.e30.e30", "x" * 500_000, "." * 90_000])
async def test_revocation_of_what_nobody_issued_is_a_200(client: AsyncClient, default_user: User, token: str) -> None:
    tokens = await begin(default_user)
    for _ in range(2):
        response = await revoke(client, token)
        assert (response.status_code, response.content) == (200, b"")
    assert await is_logged_in(client, tokens)


async def test_a_forged_token_revokes_nothing(client: AsyncClient, default_user: User) -> None:
    tokens = await begin(default_user)
    for forged in (
        forge(tokens["access_token"], key="a guess"),
        forge(tokens["access_token"], header={"alg": "none"}).rpartition(".")[0] + ".",
        forge(tokens["access_token"], {"iss": "somebody-else"}),
        tokens["refresh_token"][:-2] + "A=",
    ):
        assert (await revoke(client, forged)).status_code == 200
    assert await is_logged_in(client, tokens)


async def test_revocation_without_a_token_is_an_invalid_request(client: AsyncClient) -> None:
    response = await client.post("/auth/revoke", data={"token_type_hint": "refresh_token"})
    assert (response.status_code, response.json()["error"]) == (422, "invalid_request")
    assert response.json()["detail"][0]["loc"] == ["body", "token"]
