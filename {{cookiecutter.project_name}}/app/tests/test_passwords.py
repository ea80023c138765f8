"""Passwords: which are accepted, that every character counts, and how they are stored."""

import json

import pytest
from httpx import AsyncClient, Response
from passlib.context import CryptContext
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import User
from app.tests.helpers import PASSWORD, bearer, begin, hash_of_password, try_login


async def register(client: AsyncClient, password: str, email: str = "new@example.com") -> Response:
    body = json.dumps({"email": email, "password": password})  # escapes what UTF-8 can't encode
    return await client.post("/users/register", content=body, headers={"Content-Type": "application/json"})


async def test_any_text_of_8_to_128_characters_is_a_password(client: AsyncClient) -> None:
    for password in ("a p4ssw0rd", " " * 8, "x" * 128, "🦊" * 128, "\0" * 8, "tab\tline\nx", "ﷺ" * 128):
        email = f"{password.encode().hex()[:20]}.{len(password)}@example.com"
        assert (await register(client, password, email)).status_code == 201, ascii(password)
        assert (await try_login(client, email, password)).status_code == 200, ascii(password)


async def test_a_password_of_another_length_is_refused(client: AsyncClient) -> None:
    for password in ("", "7 chars", "🦊" * 7, "x" * 129, "🦊" * 129, "x" * 100_000):
        assert (await register(client, password)).status_code == 422, len(password)


def refused(response: Response, field: str = "password") -> str:
    """The type of the only problem; the response must not repeat the password."""
    assert response.status_code == 422, response.text
    (problem,) = response.json()["detail"]
    assert problem["loc"] == ["body", field]
    assert problem.keys() == {"type", "loc", "msg"}
    return str(problem["type"])


@pytest.mark.parametrize("password", ["password", "12345678", "password1", "iloveyou", "QWERTY123", "Trustno1"])
async def test_a_common_password_is_refused(client: AsyncClient, default_user: User, password: str) -> None:
    assert refused(await register(client, password)) == "common_password"
    body = {"current_password": PASSWORD, "new_password": password}
    response = await client.post("/users/reset-password", json=body, headers=bearer(await begin(default_user)))
    assert refused(response, "new_password") == "common_password"


@pytest.mark.parametrize("password", ["ana.lopez@example.com", "Ana.LOPEZ@Example.com", "Ana.Lopez"])
async def test_the_users_own_email_address_is_refused_as_password(
    client: AsyncClient, session: AsyncSession, default_user: User, password: str
) -> None:
    default_user.email = "ana.lopez@example.com"
    await session.commit()
    body = {"current_password": PASSWORD, "new_password": password}
    response = await client.post("/users/reset-password", json=body, headers=bearer(await begin(default_user)))
    assert refused(response, "new_password") == "own_address"
    await session.delete(default_user)
    await session.commit()
    assert refused(await register(client, password, default_user.email.upper())) == "own_address"
    assert (await register(client, "bob@example.com", default_user.email)).status_code == 201


async def test_a_password_from_before_these_rules_still_logs_in(client: AsyncClient, session: AsyncSession) -> None:
    session.add(User("old@example.com", CryptContext(["bcrypt_sha256"], bcrypt_sha256__rounds=4).hash("password1")))
    await session.commit()
    assert (await try_login(client, "old@example.com", "password1")).status_code == 200


async def test_a_lone_surrogate_is_refused(client: AsyncClient, default_user: User) -> None:
    assert (await register(client, "a passw0rd\ud800")).status_code == 422
    form = f"username={default_user.email}&password=%ED%A0%80".encode()
    response = await client.post(
        "/auth/access-token", content=form, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert response.status_code in {400, 422}


@pytest.mark.parametrize("character", ["x", "ż", "🦊"])
async def test_all_128_characters_count(client: AsyncClient, character: str) -> None:
    assert (await register(client, character * 127 + "a")).status_code == 201
    assert (await try_login(client, "new@example.com", character * 127 + "b")).status_code == 400
    assert (await try_login(client, "new@example.com", character * 127)).status_code == 400
    assert (await try_login(client, "new@example.com", character * 127 + "a")).status_code == 200


async def test_characters_after_a_nul_count(client: AsyncClient) -> None:
    await register(client, "a passw0rd\0a")
    assert (await try_login(client, "new@example.com", "a passw0rd\0b")).status_code == 400
    assert (await try_login(client, "new@example.com", "a passw0rd")).status_code == 400
    assert (await try_login(client, "new@example.com", "a passw0rd\0a")).status_code == 200


async def test_a_wrong_password_of_any_length_is_a_4xx(client: AsyncClient, default_user: User) -> None:
    for password in ("", "x" * 128, "x" * 129, "x" * 100_000):
        assert (await try_login(client, default_user.email, password)).status_code in {400, 422}, len(password)


async def test_a_password_is_stored_as_bcrypt_sha256(client: AsyncClient, session: AsyncSession) -> None:
    await register(client, PASSWORD)
    stored = str(await session.scalar(select(User.hashed_password).where(User.email == "new@example.com")))
    assert stored.startswith("$bcrypt-sha256$v=2,t=2b,r=4$")  # r: SECURITY_BCRYPT_ROUNDS
    assert PASSWORD not in stored


@pytest.mark.parametrize(("scheme", "rounds"), [("bcrypt_sha256", 5), ("bcrypt", 4)])
async def test_an_older_hash_still_verifies_and_is_upgraded_by_the_login(
    client: AsyncClient, session: AsyncSession, default_user: User, scheme: str, rounds: int
) -> None:
    default_user.hashed_password = hash_of_password(scheme, rounds)
    await session.commit()
    assert (await try_login(client, default_user.email, "wrong")).status_code == 400
    assert (await try_login(client, default_user.email)).status_code == 200
    await session.refresh(default_user)
    renewed = default_user.hashed_password
    assert renewed.startswith("$bcrypt-sha256$v=2,t=2b,r=4$")
    assert (await try_login(client, default_user.email)).status_code == 200
    await session.refresh(default_user)
    assert default_user.hashed_password == renewed


async def test_a_nul_that_an_imported_hash_cannot_hold_is_a_wrong_password(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    default_user.hashed_password = hash_of_password("bcrypt", 4)
    await session.commit()
    response = await try_login(client, default_user.email, f"{PASSWORD}\0")
    assert (response.status_code, response.json()["detail"]) == (400, "Incorrect email or password")
