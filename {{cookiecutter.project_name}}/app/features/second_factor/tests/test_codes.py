"""Codes of an authenticator app, and recovery codes: which are right, how often, and what is stored of them."""

import asyncio
import base64
import uuid
from collections import Counter

import pytest
from httpx import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import settings
from app.features.second_factor.models import RecoveryCode, TotpSecret
from app.features.second_factor.tests.helpers import (
    INVALID,
    Factor,
    answer,
    begin_set_up,
    code_at,
    confirm,
    mfa_token,
    now,
    state,
)
from app.features.second_factor.totp import matching_step, new_totp_secret
from app.models import LoginSession, User
from app.tests.helpers import bearer, tokens_in
from app.tests.other_settings import other_settings

pytestmark = pytest.mark.usefixtures("one_moment")


def test_codes_are_those_of_rfc_6238() -> None:
    """Appendix B, SHA-1, of which an app with six digits shows the last six."""
    secret = base64.b32encode(b"12345678901234567890").decode()
    vectors = {59: "287082", 1111111109: "081804", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"}
    assert {moment: code_at(secret, moment // 30) for moment in vectors} == vectors


def test_the_code_of_an_independent_implementation_matches() -> None:
    user_id = uuid.uuid4()
    encrypted, secret, _ = new_totp_secret(user_id, "ana@example.com")
    assert len(base64.b32decode(secret)) == 20  # RFC 4226 section 4, R6
    for step in (now() - 1, now(), now() + 1):
        assert matching_step(user_id, encrypted, code_at(secret, step)) == step
    assert matching_step(user_id, encrypted, code_at(secret, now() - 3)) is None
    assert matching_step(user_id, encrypted, code_at(secret, now() + 3)) is None


async def test_a_code_works_once_and_so_do_all_before_it(
    client: AsyncClient, default_user: User, factor: Factor
) -> None:
    token = await mfa_token(client, default_user)
    late, code, early = factor.code(-1), factor.code(), factor.code(1)
    assert (await answer(client, token, code)).status_code == 200
    for spent in (code, late):
        response = await answer(client, token, spent)
        assert (response.status_code, response.json()) == INVALID
    assert (await answer(client, token, early)).status_code == 200


async def test_the_code_that_confirmed_the_app_is_spent(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str]
) -> None:
    code = code_at(await begin_set_up(client, default_user_headers), now() + 1)
    await confirm(client, default_user_headers, code)
    assert (await answer(client, await mfa_token(client, default_user), code)).status_code == 400


@pytest.mark.parametrize("kind", ["totp", "recovery code"])
async def test_of_fifty_uses_of_a_code_at_once_one_wins(
    client: AsyncClient, session: AsyncSession, default_user: User, factor: Factor, kind: str
) -> None:
    token = await mfa_token(client, default_user)
    code = factor.code() if kind == "totp" else factor.recovery_codes[0]
    responses = await asyncio.gather(*(answer(client, token, code) for _ in range(50)))
    statuses = Counter(response.status_code for response in responses)
    assert statuses[200] == 1
    assert set(statuses) <= {200, 400, 429}
    sessions = await session.scalars(select(LoginSession.login_method).where(LoginSession.login_method != "password"))
    assert sessions.all() == [kind.replace(" ", "_")]


async def test_each_recovery_code_works_once(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str], factor: Factor
) -> None:
    token = await mfa_token(client, default_user)
    first, second, *_ = factor.recovery_codes
    tokens = tokens_in(await answer(client, token, first))
    assert (await answer(client, token, first)).status_code == 400
    assert (await answer(client, token, second.replace("-", " ").lower())).status_code == 200
    assert await state(client, bearer(tokens)) == (True, 8)
    listed = (await client.get("/auth/sessions", headers=default_user_headers)).json()
    assert Counter(session["login_method"] for session in listed) == {"recovery_code": 2, "password": 1}


@pytest.mark.parametrize("code", ["", "12345", "٣٣٣٣٣٣", "1234567\0", "x" * 41, 123456, None, ["123456"], "'; --12"])
async def test_any_other_code_is_refused(client: AsyncClient, default_user: User, factor: Factor, code: object) -> None:
    token = await mfa_token(client, default_user)
    response = await client.post("/auth/second-factor", json={"mfa_token": token, "code": code})
    assert response.status_code == 422
    assert "input" not in response.text


async def test_a_dump_of_the_database_yields_neither_secret_nor_code(
    session: AsyncSession, default_user: User, other_user: User, factor: Factor
) -> None:
    dump = [
        bytes(value)
        for table in (TotpSecret, RecoveryCode)
        for row in await session.execute(select(*table.__table__.columns))
        for value in row
        if isinstance(value, bytes)
    ]
    known = [factor.secret, base64.b32decode(factor.secret).decode("latin-1"), *factor.recovery_codes]
    known += [code.replace("-", "") for code in factor.recovery_codes]
    assert len(dump) == 11
    assert not [secret for secret in known for stored in dump if secret.encode("latin-1") in stored]
    (encrypted,) = await session.scalars(select(TotpSecret.encrypted))
    assert matching_step(other_user.id, encrypted, factor.code()) is None, "it is of no use to another account"
    with other_settings(SECRET_KEY="another key of more than thirty-two characters", SECRET_KEY_FALLBACKS=""):
        assert matching_step(default_user.id, encrypted, factor.code()) is None


async def test_secrets_move_to_a_new_secret_key_when_they_are_used(
    client: AsyncClient, default_user: User, factor: Factor
) -> None:
    old, new = settings.secret_keys[0], "a new key of more than thirty-two characters"
    with other_settings(SECRET_KEY=new, SECRET_KEY_FALLBACKS=old):
        assert (await answer(client, await mfa_token(client, default_user), factor.code())).status_code == 200
    with other_settings(SECRET_KEY=new, SECRET_KEY_FALLBACKS=""):
        assert (await answer(client, await mfa_token(client, default_user), factor.code(1))).status_code == 200


async def test_recovery_codes_outlast_the_secret_key(
    client: AsyncClient, default_user: User, factor: Factor, caplog: pytest.LogCaptureFixture
) -> None:
    with other_settings(SECRET_KEY="a new key of more than thirty-two characters", SECRET_KEY_FALLBACKS=""):
        token = await mfa_token(client, default_user)
        assert (await answer(client, token, factor.code())).status_code == 400
        assert "SECRET_KEY_FALLBACKS" in caplog.text
        assert (await answer(client, token, factor.recovery_codes[0])).status_code == 200
