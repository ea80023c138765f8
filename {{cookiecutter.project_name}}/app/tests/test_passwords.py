"""Passwords: which are accepted, that every character counts, and how they are stored."""

import json
import unicodedata
from collections.abc import Iterator
from unittest.mock import patch

import bcrypt
import pytest
from httpx import AsyncClient, Response
from passlib.context import CryptContext
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.passwords import check_password, hash_password
from app.main import create_app
from app.models import User
from app.tests.helpers import PASSWORD, bearer, begin, hash_of_password, try_login
from app.tests.other_settings import GOOD_KEY, other_settings, refusal


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


async def test_new_passwords_have_the_length_of_the_settings_and_older_ones_still_log_in(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    short = "e\u0301" + "fourteen char"
    default_user.hashed_password = hash_by("bcrypt_sha256", 4, short)
    await session.commit()
    with other_settings(PASSWORD_MIN_LENGTH="15"):
        assert refused(await register(client, short)) == "string_too_short"
        body = {"current_password": short, "new_password": short}
        response = await client.post("/users/reset-password", json=body, headers=bearer(await begin(default_user)))
        assert refused(response, "new_password") == "string_too_short"
        assert (await try_login(client, default_user.email, short)).status_code == 200
        assert (await register(client, f"{short}s")).status_code == 201
        described = create_app(with_every_route=True).openapi()["components"]["schemas"]
    fields = [field for schema in described.values() for field in schema.get("properties", {}).items()]
    lengths = [field["minLength"] for name, field in fields if name == "new_password"]
    assert {*lengths, described["UserCreateRequest"]["properties"]["password"]["minLength"]} == {15}


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


def hash_by(scheme: str, rounds: int, password: str = PASSWORD) -> str:
    return str(CryptContext([scheme]).handler(scheme).using(rounds=rounds).hash(password))


BCRYPT = hash_by("bcrypt", 4)
OURS = hash_by("bcrypt_sha256", 4)

NO_HASHES = {
    "empty": "",
    "switched off": "!",
    "locked": "*",
    "locked, as in /etc/shadow": f"!{BCRYPT}",
    "garbage": "garbage",
    "as long as the column": "x" * 128,
    "not ASCII": "ż" * 128,
    "control characters": "\x01\x1b\x7f",
    "a prefix": "$2b$",
    "a truncated hash": BCRYPT[:-1],
    "a salt alone": BCRYPT[:29],
    "more than a hash": BCRYPT + "x",
    "a line": BCRYPT + "\n",
    "a hash with another character": BCRYPT[:-1] + "²",
    "a variant that nobody checks": BCRYPT.replace("$2b$", "$2x$"),
    "too few rounds": BCRYPT.replace("$04$", "$03$"),
    "more rounds than anybody has time for": BCRYPT.replace("$04$", "$31$"),
    "rounds that aren't digits": BCRYPT.replace("$04$", "$1²$"),
    "a truncated hash of ours": OURS[:-1],
    "another version of ours": OURS.replace("v=2", "v=3"),
    "more rounds than anybody has time for, in ours": OURS.replace("r=4", "r=31"),
    "argon2": "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$" + "A" * 43,
    "Django's PBKDF2": "pbkdf2_sha256$870000$salt$" + "A" * 43 + "=",
    "scrypt": "scrypt:32768:8:1$salt$" + "a" * 64,
    "MD5": "5f4dcc3b5aa765d61d8327deb882cf99",
}


@pytest.mark.parametrize("stored", NO_HASHES.values(), ids=NO_HASHES)
async def test_anything_in_the_column_that_is_not_a_hash_is_a_wrong_password(
    client: AsyncClient, session: AsyncSession, default_user: User, stored: str
) -> None:
    headers = bearer(await begin(default_user))
    default_user.hashed_password = stored
    await session.commit()
    for password in (PASSWORD, "!", "é" * 8, f"{PASSWORD}\0"):
        response = await try_login(client, default_user.email, password)
        assert (response.status_code, response.json()["detail"]) == (400, "Incorrect email or password")
    body = {"current_password": PASSWORD, "new_password": "a new password"}
    response = await client.post("/users/reset-password", json=body, headers=headers)
    assert (response.status_code, response.json()["detail"]) == (400, "Incorrect password")
    await session.refresh(default_user)
    assert default_user.hashed_password == stored


@pytest.fixture
def work() -> Iterator[list[int]]:
    """How often bcrypt mixes its key while the test runs: what a check costs, whatever else the machine does."""
    done: list[int] = []
    original = bcrypt.hashpw

    def hashpw(password: bytes, salt: bytes) -> bytes:
        done.append(2 ** int(salt.split(b"$")[2]))
        return original(password, salt)

    with patch("bcrypt.hashpw", hashpw):
        yield done


@pytest.mark.parametrize("password", ["a wrong password", "a wrong p\0assword", "Zażo\u0301łć gęślą"])
async def test_a_wrong_password_costs_the_same_whatever_is_stored(work: list[int], password: str) -> None:
    with other_settings(SECURITY_BCRYPT_ROUNDS="6"):
        await check_password(password, hash_by("bcrypt_sha256", 6))  # nor may the first one cost more
        costs = set()
        others = [None, hash_by("bcrypt", 4), hash_by("bcrypt", 6), hash_by("bcrypt_sha256", 5)]
        for stored in (*NO_HASHES.values(), *others):
            work.clear()
            assert await check_password(password, stored) == (False, None)
            costs.add(sum(work))
    spellings = len({password, unicodedata.normalize("NFC", password)})
    assert costs == {spellings * 2**6}


FULL_WIDTH = "\uff25" * 8  # other characters than E, which NFKC would lose
COMPOSED, DECOMPOSED = "Zażółć gęślą jaźń", unicodedata.normalize("NFD", "Zażółć gęślą jaźń")


@pytest.mark.parametrize(("at_first", "later"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
async def test_a_password_is_the_same_on_every_keyboard(client: AsyncClient, at_first: str, later: str) -> None:
    assert (await register(client, at_first)).status_code == 201
    for password in (at_first, later):
        assert (await try_login(client, "new@example.com", password)).status_code == 200
    for password in ("Zazolc gesla jazn", COMPOSED.lower(), unicodedata.normalize("NFKC", "ﬁ") + COMPOSED):
        assert (await try_login(client, "new@example.com", password)).status_code == 400
    tokens = (await try_login(client, "new@example.com", at_first)).json()
    body = {"current_password": later, "new_password": FULL_WIDTH}
    assert (await client.post("/users/reset-password", json=body, headers=bearer(tokens))).status_code == 204
    assert (await try_login(client, "new@example.com", "E" * 8)).status_code == 400
    assert (await try_login(client, "new@example.com", FULL_WIDTH)).status_code == 200


@pytest.mark.parametrize("scheme", ["bcrypt_sha256", "bcrypt"])
async def test_a_hash_of_a_password_as_it_was_typed_still_verifies_and_is_renewed(
    client: AsyncClient, session: AsyncSession, default_user: User, scheme: str
) -> None:
    default_user.hashed_password = hash_by(scheme, 4, DECOMPOSED)
    await session.commit()
    assert (await try_login(client, default_user.email, COMPOSED)).status_code == 400
    assert (await try_login(client, default_user.email, DECOMPOSED)).status_code == 200
    for password in (COMPOSED, DECOMPOSED):
        assert (await try_login(client, default_user.email, password)).status_code == 200


async def test_the_length_of_a_password_is_that_of_its_composed_characters(client: AsyncClient) -> None:
    assert refused(await register(client, "é" * 7)) == "string_too_short"
    assert refused(await register(client, "e\u0301" * 7)) == "string_too_short"
    assert refused(await register(client, "ᾂ" * 129)) == "string_too_long"
    assert refused(await register(client, unicodedata.normalize("NFD", "ᾂ" * 129))) == "string_too_long"
    longest = unicodedata.normalize("NFD", "ᾂ" * 128)
    assert len(longest) == 512
    assert (await register(client, longest)).status_code == 201
    for password in (longest, "ᾂ" * 128):
        assert (await try_login(client, "new@example.com", password)).status_code == 200


async def test_a_superusers_password_from_the_settings_is_the_same_on_every_keyboard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (await check_password(COMPOSED, await hash_password(DECOMPOSED))).is_correct
    short = {"FIRST_SUPERUSER_PASSWORD": "e\u0301" * 14, "PASSWORD_MIN_LENGTH": "15"}
    assert "FIRST_SUPERUSER_PASSWORD: should have at least 15 characters, not 14" in refusal(monkeypatch, **short)
    own = {"FIRST_SUPERUSER_PASSWORD": unicodedata.normalize("NFD", "josé@example.com")}
    production = {"ENVIRONMENT": "production", "DATABASE_URL": "postgresql://host/name", "SECRET_KEY": GOOD_KEY}
    email = {"FIRST_SUPERUSER_EMAIL": "José@example.com"}
    assert "or the email address: set another one" in refusal(monkeypatch, **production, **own, **email)
