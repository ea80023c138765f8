"""`POST /users/register`, `GET /users/me` and `DELETE /users/me`."""

import asyncio

import pytest
from httpx import AsyncClient, Response
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import LoginSession, User
from app.tests.helpers import PASSWORD, bearer, begin, is_logged_in, tokens_in, try_login, try_refresh

TAKEN = {"detail": "Cannot use this email address"}


async def register(client: AsyncClient, email: object, **more: object) -> Response:
    return await client.post("/users/register", json={"email": email, "password": PASSWORD, **more})


async def test_a_new_user_can_log_in(client: AsyncClient) -> None:
    response = await register(client, "new@example.com")
    assert response.status_code == 201
    user = response.json()
    assert set(user) == {"id", "email"}
    tokens = tokens_in(await try_login(client, "new@example.com"))
    me = await client.get("/users/me", headers=bearer(tokens))
    assert me.status_code == 200
    assert me.json() == user == {"id": user["id"], "email": "new@example.com"}


@pytest.mark.parametrize("email", ["ana@example.com", "ANA@EXAMPLE.COM", " Ana@Example.com"])
async def test_an_email_is_one_account_whatever_its_case(client: AsyncClient, default_user: User, email: str) -> None:
    response = await register(client, email)
    assert (response.status_code, response.json()) == (400, TAKEN)


@pytest.mark.parametrize(
    ("email", "same"),
    [
        ("Żółw@example.com", "żÓŁW@EXAMPLE.com"),
        ("an\u0301a@example.com", "ańa@example.com"),  # a combining accent, or one letter with its accent
        ("ana@bücher.example", "ana@xn--bcher-kva.example"),
        ("İ@example.com", "i\u0307@example.com"),
        ("J\u030cana@example.com", "\u01f0ana@example.com"),  # in upper case it is two characters
        ("Straße@example.com", "STRAẞE@example.com"),
    ],
)
async def test_an_email_is_one_account_however_unicode_spells_it(client: AsyncClient, email: str, same: str) -> None:
    assert (await register(client, email)).status_code == 201
    assert (await register(client, same)).json() == TAKEN
    for spelling in (email, same):
        assert (await try_login(client, spelling)).status_code == 200


async def test_only_one_of_10_parallel_registrations_of_an_email_succeeds(client: AsyncClient) -> None:
    responses = await asyncio.gather(*(register(client, email) for email in ["a@example.com", "A@example.com"] * 5))
    assert sorted(response.status_code for response in responses) == [201] + [400] * 9


async def test_an_invalid_email_is_refused(client: AsyncClient) -> None:
    emails: list[object] = [
        *("", "x", "@example.com", "x@", "a b@example.com", "a@example..com", "a\0@example.com", "a,b@example.com"),
        *("x" * 65 + "@" + ("y" * 60 + ".") * 3 + "example.com", "x" * 10_000),
        "İ" * 64 + "@" + ("y" * 60 + ".") * 2 + "example.com",  # too long once in lower case
        *(None, 1, [], {"a": "b"}),
    ]
    for email in emails:
        assert (await register(client, email)).status_code == 422, email


async def test_an_email_of_254_characters_is_accepted(client: AsyncClient) -> None:
    email = f"{'x' * 64}@{('y' * 61 + '.') * 3}com"
    assert len(email) == 254
    assert (await register(client, email)).status_code == 201
    assert (await try_login(client, email)).status_code == 200


@pytest.mark.parametrize("field", ["is_superuser", "is_active", "id", "hashed_password"])
async def test_registration_accepts_only_an_email_and_a_password(client: AsyncClient, field: str) -> None:
    assert (await register(client, "new@example.com", **{field: True})).status_code == 422
    assert (await try_login(client, "new@example.com")).status_code == 400


async def test_a_new_user_is_not_a_superuser(client: AsyncClient) -> None:
    await register(client, "new@example.com")
    tokens = tokens_in(await try_login(client, "new@example.com"))
    assert (await client.get("/users", headers=bearer(tokens))).status_code == 403


async def test_deleting_a_user_ends_their_sessions_and_tokens(
    client: AsyncClient, session: AsyncSession, default_user: User, other_user: User
) -> None:
    tokens, others = await begin(default_user), await begin(other_user)
    assert (await client.delete("/users/me", headers=bearer(tokens))).status_code == 204
    assert not await is_logged_in(client, tokens)
    assert (await try_refresh(client, tokens["refresh_token"])).status_code == 400
    assert (await try_login(client, default_user.email)).status_code == 400
    for table in (User, LoginSession):
        assert await session.scalar(select(func.count()).select_from(table)) == 1
    assert await is_logged_in(client, others)


async def test_a_deleted_email_can_register_again(client: AsyncClient, default_user_headers: dict[str, str]) -> None:
    await client.delete("/users/me", headers=default_user_headers)
    assert (await register(client, "ana@example.com")).status_code == 201


async def test_the_last_superuser_cannot_leave(
    client: AsyncClient, session: AsyncSession, superuser_headers: dict[str, str], default_user: User
) -> None:
    response = await client.delete("/users/me", headers=superuser_headers)
    assert (response.status_code, response.json()) == (409, {"detail": "The last active superuser must remain"})
    default_user.is_superuser = True
    await session.commit()
    assert (await client.delete("/users/me", headers=superuser_headers)).status_code == 204
