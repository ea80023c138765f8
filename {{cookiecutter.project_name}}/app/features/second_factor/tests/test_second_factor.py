"""The second factor: codes of an authenticator app, and recovery codes."""

import asyncio
import base64
import hashlib
import hmac
import struct
import time
import uuid
from collections import Counter
from datetime import timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from httpx import AsyncClient, Response
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import PROJECT, settings
from app.core.security import create_refresh_token
from app.features.second_factor.models import RecoveryCode, TotpSecret
from app.features.second_factor.totp import matching_step, new_totp_secret
from app.models import LoginSession, User
from app.tests.helpers import PASSWORD, Json, bearer, begin, login, tokens_in, try_login, waiting_for_locks
from app.tests.other_settings import other_settings

pytestmark = pytest.mark.usefixtures("one_moment")

INVALID = (400, {"detail": "Invalid code", "error": "invalid_grant"})


def code_at(secret: str, step: int) -> str:
    """RFC 6238, written down anew: the tests must not trust the library that they test."""
    mac = hmac.digest(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1)
    offset = mac[-1] & 15
    return f"{(int.from_bytes(mac[offset : offset + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"


def now() -> int:
    return int(time.time()) // 30


class Factor:
    """An authenticator app, and the sheet of paper with recovery codes."""

    def __init__(self, secret: str, recovery_codes: list[str]) -> None:
        self.secret, self.recovery_codes = secret, recovery_codes

    def code(self, later: int = 0) -> str:
        return code_at(self.secret, now() + later)


async def set_up(client: AsyncClient, headers: dict[str, str]) -> Factor:
    """Confirmed with the code of the step before, so that the present one is still good."""
    response = await client.post("/auth/totp", json={"current_password": PASSWORD}, headers=headers)
    assert response.status_code == 200, response.text
    secret = response.json()["secret"]
    response = await client.post("/auth/totp/confirm", json={"code": code_at(secret, now() - 1)}, headers=headers)
    assert response.status_code == 200, response.text
    return Factor(secret, response.json()["recovery_codes"])


@pytest.fixture
async def factor(client: AsyncClient, default_user_headers: dict[str, str]) -> Factor:
    return await set_up(client, default_user_headers)


async def mfa_token(client: AsyncClient, user: User) -> str:
    response = await try_login(client, user.email, PASSWORD)
    assert response.status_code == 403, response.text
    return str(response.json()["mfa_token"])


async def answer(client: AsyncClient, token: str, code: str) -> Response:
    return await client.post("/auth/second-factor", json={"mfa_token": token, "code": code})


async def state(client: AsyncClient, headers: dict[str, str]) -> tuple[bool, int]:
    """Whether there is an app, and how many recovery codes are left."""
    response = await client.get("/auth/second-factor", headers=headers)
    assert response.status_code == 200
    return response.json()["totp"], response.json()["recovery_codes_left"]


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


async def test_a_login_wants_a_code_once_the_app_is_confirmed(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str]
) -> None:
    assert await state(client, default_user_headers) == (False, 0)
    setup = await client.post("/auth/totp", json={"current_password": PASSWORD}, headers=default_user_headers)
    uri = urlsplit(setup.json()["otpauth_uri"])
    assert (uri.scheme, uri.netloc, unquote(uri.path)) == ("otpauth", "totp", f"/{PROJECT['name']}:ana@example.com")
    assert parse_qs(uri.query) == {"secret": [setup.json()["secret"]], "issuer": [PROJECT["name"]]}
    await login(client, default_user)  # nobody has shown yet that the app has the secret

    code = code_at(setup.json()["secret"], now() - 1)
    confirmed = await client.post("/auth/totp/confirm", json={"code": code}, headers=default_user_headers)
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


async def test_setting_up_wants_the_password(
    client: AsyncClient, default_user_headers: dict[str, str], factor: Factor, superuser_headers: dict[str, str]
) -> None:
    response = await client.post("/auth/totp", json={"current_password": "wrong"}, headers=superuser_headers)
    assert (response.status_code, response.json()) == (400, {"detail": "Incorrect password"})
    assert await state(client, superuser_headers) == (False, 0)
    response = await client.post("/auth/totp", json={"current_password": PASSWORD}, headers=default_user_headers)
    assert (response.status_code, response.json()) == (409, {"detail": "A second factor is set up already"})


async def test_a_new_secret_replaces_one_that_was_not_confirmed(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    first, second = [
        (await client.post("/auth/totp", json={"current_password": PASSWORD}, headers=default_user_headers)).json()
        for _ in range(2)
    ]
    for setup, status in ((first, 400), (second, 200), (second, 400)):
        code = code_at(setup["secret"], now())
        response = await client.post("/auth/totp/confirm", json={"code": code}, headers=default_user_headers)
        assert response.status_code == status


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
    setup = await client.post("/auth/totp", json={"current_password": PASSWORD}, headers=default_user_headers)
    code = code_at(setup.json()["secret"], now() + 1)
    await client.post("/auth/totp/confirm", json={"code": code}, headers=default_user_headers)
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


async def test_of_two_confirmations_at_once_one_wins(client: AsyncClient, default_user_headers: dict[str, str]) -> None:
    setup = await client.post("/auth/totp", json={"current_password": PASSWORD}, headers=default_user_headers)
    codes = [code_at(setup.json()["secret"], step) for step in (now(), now() + 1)]
    responses = await asyncio.gather(
        *(client.post("/auth/totp/confirm", json={"code": code}, headers=default_user_headers) for code in codes)
    )
    assert sorted(response.status_code for response in responses) == [200, 400]
    assert await state(client, default_user_headers) == (True, 10)


CHANGES_OF_FACTOR = [("POST", "/auth/totp/confirm"), ("DELETE", "/auth/totp"), ("POST", "/auth/recovery-codes")]


@pytest.mark.parametrize("ended", [LoginSession, User], ids=["sessions", "account"])
@pytest.mark.parametrize("change", CHANGES_OF_FACTOR, ids=" ".join)
async def test_the_end_of_all_sessions_or_of_the_account_has_the_last_word(
    client: AsyncClient,
    session: AsyncSession,
    default_user_headers: dict[str, str],
    change: tuple[str, str],
    ended: type[LoginSession | User],
) -> None:
    """Neither does a deletion, which locks the account first and the factor then, end in a deadlock."""
    body = {"current_password": PASSWORD}
    if change == CHANGES_OF_FACTOR[0]:
        setup = await client.post("/auth/totp", json=body, headers=default_user_headers)
        body = {"code": code_at(setup.json()["secret"], now())}
    else:
        body["code"] = (await set_up(client, default_user_headers)).code()
    before = await stored(session)
    await session.execute(select(User.id).with_for_update())
    response = asyncio.create_task(client.request(*change, json=body, headers=default_user_headers))
    await waiting_for_locks(1)
    await session.execute(delete(ended))
    await session.commit()
    assert (await response).status_code == 401
    assert await stored(session) == ([] if ended is User else before)


@pytest.mark.parametrize("change", CHANGES_OF_FACTOR[1:], ids=" ".join)
async def test_a_code_is_no_proof_for_a_factor_that_is_set_up_meanwhile(
    client: AsyncClient, session: AsyncSession, default_user_headers: dict[str, str], change: tuple[str, str]
) -> None:
    body = {"current_password": PASSWORD, "code": (await set_up(client, default_user_headers)).code()}
    before = await stored(session)
    await session.execute(select(User.id).with_for_update(key_share=True))
    response = asyncio.create_task(client.request(*change, json=body, headers=default_user_headers))
    await waiting_for_locks(1)
    await session.execute(update(TotpSecret).values(confirmed_at=TotpSecret.confirmed_at + timedelta(seconds=1)))
    await session.commit()
    assert (await response).status_code == 404
    assert (await stored(session))[1:] == before[1:]
    assert await state(client, default_user_headers) == (True, 10)


@pytest.mark.parametrize("change", CHANGES_OF_FACTOR[1:], ids=" ".join)
async def test_an_unconfirmed_app_is_nothing_to_remove(
    client: AsyncClient, default_user_headers: dict[str, str], change: tuple[str, str]
) -> None:
    body = {"current_password": PASSWORD}
    setup = (await client.post("/auth/totp", json=body, headers=default_user_headers)).json()
    code = code_at(setup["secret"], now())
    response = await client.request(*change, json=body | {"code": code}, headers=default_user_headers)
    assert (response.status_code, response.json()) == (404, {"detail": "No second factor is set up"})
    response = await client.post("/auth/totp/confirm", json={"code": code}, headers=default_user_headers)
    assert response.status_code == 200


async def stored(session: AsyncSession) -> list[object]:
    """Which accounts have which factors."""
    factors = select(TotpSecret.user_id, TotpSecret.confirmed_at)
    codes = select(RecoveryCode.user_id, RecoveryCode.code).order_by(RecoveryCode.code)
    rows: list[object] = [*(await session.execute(factors)), *(await session.execute(codes))]
    await session.commit()
    return rows


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


async def test_recovery_codes_are_replaced_by_who_has_password_and_factor(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str], factor: Factor
) -> None:
    async def renew(password: str, code: str) -> Response:
        body = {"current_password": password, "code": code}
        return await client.post("/auth/recovery-codes", json=body, headers=default_user_headers)

    assert (await renew("wrong", factor.code())).status_code == 400
    assert (await renew(PASSWORD, "000000")).status_code == 400
    response = await renew(PASSWORD, factor.code())
    assert response.status_code == 200
    new = response.json()["recovery_codes"]
    assert not set(new) & set(factor.recovery_codes)
    token = await mfa_token(client, default_user)
    assert (await answer(client, token, factor.recovery_codes[0])).status_code == 400
    assert (await answer(client, token, new[0])).status_code == 200


async def test_removing_it_wants_password_and_code(
    client: AsyncClient, session: AsyncSession, default_user: User, default_user_headers: dict[str, str], factor: Factor
) -> None:
    async def remove(password: str, code: str) -> int:
        body = {"current_password": password, "code": code}
        return (await client.request("DELETE", "/auth/totp", json=body, headers=default_user_headers)).status_code

    token = await mfa_token(client, default_user)
    assert await remove("wrong", factor.code()) == 400
    assert await remove(PASSWORD, "000000") == 400
    assert await remove(PASSWORD, factor.code()) == 204
    assert await remove(PASSWORD, factor.code(1)) == 404
    assert (await answer(client, token, factor.code(1))).status_code == 400
    assert (await session.scalars(select(RecoveryCode))).all() == []
    await login(client, default_user)
    again = await set_up(client, default_user_headers)
    assert (await answer(client, token, again.code())).status_code == 400, "the token is for the removed factor"


# The last is the status for an account without a factor, the last superuser's.
CHANGES = [
    ("POST", "/users/reset-password", {"current_password": PASSWORD, "new_password": "a better one"}, 204),
    ("POST", "/users/me/email", {"current_password": PASSWORD, "email": "new@example.com"}, 202),
    ("DELETE", "/users/me", {}, 409),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change[1])
async def test_changing_what_matters_wants_a_code(
    client: AsyncClient,
    default_user_headers: dict[str, str],
    superuser_headers: dict[str, str],
    change: tuple[str, str, Json, int],
) -> None:
    method, path, body, status = change
    await client.post("/auth/totp", json={"current_password": PASSWORD}, headers=superuser_headers)  # unconfirmed
    factor = await set_up(client, default_user_headers)

    async def send(extra: Json, headers: dict[str, str]) -> Response:
        return await client.request(method, path, json=body | extra, headers=headers)

    response = await send({}, default_user_headers)
    assert (response.status_code, response.json()["error"]) == (403, "mfa_required")
    assert "mfa_token" not in response.json()
    response = await send({"code": "000000"}, default_user_headers)
    assert (response.status_code, response.json()) == (400, {"detail": "Invalid code"})
    assert (await send({"code": factor.code()}, default_user_headers)).is_success
    response = await send({}, superuser_headers)
    assert response.status_code == status
    if method == "DELETE":
        response = await client.delete(path, headers=superuser_headers)  # without a factor, no body is needed
        assert response.json() == {"detail": "The last active superuser must remain"}


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


async def test_a_superuser_takes_away_the_factors_of_who_has_lost_them(
    client: AsyncClient, default_user: User, superuser: User, superuser_headers: dict[str, str], factor: Factor
) -> None:
    headers = bearer(tokens_in(await answer(client, await mfa_token(client, default_user), factor.code())))
    path = f"/users/{default_user.id}/second-factor"
    assert (await client.delete(path, headers=headers)).status_code == 403
    assert (await client.delete(path, headers=superuser_headers)).status_code == 204
    assert (await client.get("/users/me", headers=headers)).status_code == 401
    await login(client, default_user)
    assert (await client.delete(f"/users/{uuid.uuid4()}/second-factor", headers=superuser_headers)).status_code == 404
    own = await client.delete(f"/users/{superuser.id}/second-factor", headers=superuser_headers)
    assert own.status_code == 409


async def test_superusers_need_a_second_factor_where_that_is_required(
    client: AsyncClient, superuser: User, superuser_headers: dict[str, str], default_user_headers: dict[str, str]
) -> None:
    with other_settings(SUPERUSER_SECOND_FACTOR="required"):
        response = await client.get("/users", headers=superuser_headers)
        assert response.status_code == 403
        assert "second factor" in response.json()["detail"]
        assert (await client.get("/users", headers=default_user_headers)).json() == response.json()
        factor = await set_up(client, superuser_headers)
        assert (await client.get("/users", headers=superuser_headers)).status_code == 403, "an older session"
        tokens = tokens_in(await answer(client, await mfa_token(client, superuser), factor.code()))
        assert (await client.get("/users", headers=bearer(tokens))).status_code == 200
        refreshed = await client.post("/auth/refresh-token", json={"refresh_token": tokens["refresh_token"]})
        assert (await client.get("/users", headers=bearer(refreshed.json()))).status_code == 200
        recovered = tokens_in(await answer(client, await mfa_token(client, superuser), factor.recovery_codes[0]))
        assert (await client.get("/users", headers=bearer(recovered))).status_code == 200
        assert (await client.get("/users", headers=bearer(await begin(superuser)))).status_code == 403
    assert (await client.get("/users", headers=superuser_headers)).status_code == 200
