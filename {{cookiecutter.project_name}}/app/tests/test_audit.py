"""The audit log: one line per event, with ids and the client's IP address but no other personal data."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO

import pytest
from httpx import AsyncClient
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import LoginSession, RateLimit, User
from app.server.logging import JsonFormatter
from app.tests.helpers import CLIENT_IP, PASSWORD, Json, bearer, begin, login, refresh, try_login, try_refresh
from app.tests.test_second_factor import answer, mfa_token, set_up

Lines = Callable[[], list[Json]]


@pytest.fixture
def audit_lines() -> Iterator[Lines]:
    """The lines written since the last call, in production's format, without the fields that all lines have."""
    output = StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(JsonFormatter())
    logging.getLogger("app.audit").addHandler(handler)

    def lines() -> list[Json]:
        written = [json.loads(line) for line in output.getvalue().splitlines()]
        output.seek(0)
        output.truncate()
        for line in written:
            assert line.pop("message") == line["event"]
            assert line.pop("client") == CLIENT_IP
            assert (line.pop("level"), line.pop("logger")) == ("INFO", "app.audit")
            assert line.pop("time")
            assert line.pop("request_id")
        return written

    yield lines
    logging.getLogger("app.audit").removeHandler(handler)


async def session_id(client: AsyncClient, tokens: Json) -> str:
    listed = (await client.get("/auth/sessions", headers=bearer(tokens))).json()
    return next(str(session["id"]) for session in listed if session["current"])


async def test_logins_are_logged(
    client: AsyncClient, session: AsyncSession, default_user: User, audit_lines: Lines
) -> None:
    await login(client, default_user)
    assert audit_lines() == [{"event": "login_succeeded", "user_id": str(default_user.id)}]
    await try_login(client, default_user.email, "wrong")
    assert audit_lines() == [{"event": "login_failed", "user_id": str(default_user.id)}]
    await try_login(client, "nobody@example.com", "wrong")
    assert audit_lines() == [{"event": "login_failed"}]
    await session.execute(update(RateLimit).values(resets_at=RateLimit.resets_at + timedelta(days=1)))
    await session.commit()
    await try_login(client, default_user.email, "wrong")
    await try_login(client, "nobody@example.com", "wrong")
    assert audit_lines() == [
        {"event": "login_throttled", "user_id": str(default_user.id)},
        {"event": "login_throttled"},
    ]


async def test_a_replayed_refresh_token_is_logged_and_a_repeated_refresh_is_not(
    client: AsyncClient, session: AsyncSession, default_user: User, audit_lines: Lines
) -> None:
    first = await begin(default_user)
    of_session = {"user_id": str(default_user.id), "session_id": await session_id(client, first)}
    await refresh(client, first)
    await refresh(client, first)  # within the leeway
    assert audit_lines() == []
    await session.execute(update(LoginSession).values(last_used_at=LoginSession.last_used_at - timedelta(seconds=300)))
    await session.commit()
    for _ in range(2):  # the second time there is no session to end
        assert (await try_refresh(client, first["refresh_token"])).status_code == 400
    await try_refresh(client, "nonsense")
    assert audit_lines() == [{"event": "refresh_token_replayed", **of_session}]


async def test_the_end_of_a_session_is_logged_once(client: AsyncClient, default_user: User, audit_lines: Lines) -> None:
    mine, other, another = [await begin(default_user) for _ in range(3)]
    ids = [await session_id(client, tokens) for tokens in (other, another)]
    revoked: Json = {"event": "session_revoked", "user_id": str(default_user.id)}
    await client.delete(f"/auth/sessions/{ids[0]}", headers=bearer(mine))
    assert audit_lines() == [revoked | {"session_id": ids[0]}]
    await client.delete(f"/auth/sessions/{ids[0]}", headers=bearer(mine))
    for _ in range(2):
        await client.post("/auth/logout", json={"refresh_token": another["refresh_token"]})
    await client.post("/auth/logout", json={"refresh_token": "nonsense"})
    assert audit_lines() == [revoked | {"session_id": ids[1]}]
    await client.post("/auth/logout-all", headers=bearer(mine))
    assert audit_lines() == [revoked]


async def test_a_password_change_is_logged(client: AsyncClient, default_user: User, audit_lines: Lines) -> None:
    headers = bearer(await begin(default_user))
    user_id = str(default_user.id)
    for current_password in ("wrong", PASSWORD):
        body = {"current_password": current_password, "new_password": "a new and better one"}
        await client.post("/users/reset-password", json=body, headers=headers)
    assert audit_lines() == [
        {"event": "login_failed", "user_id": user_id},
        {"event": "password_changed", "user_id": user_id},
    ]


async def test_what_superusers_change_is_logged(
    client: AsyncClient, superuser: User, superuser_headers: dict[str, str], default_user: User, audit_lines: Lines
) -> None:
    path = f"/users/{default_user.id}"
    done = {"user_id": str(default_user.id), "by": str(superuser.id)}
    for change, event in (
        ({"is_superuser": True}, "superuser_granted"),
        ({"is_superuser": False}, "superuser_revoked"),
        ({"is_active": False}, "account_deactivated"),
        ({"is_active": True}, "account_activated"),
    ):
        for _ in range(2):  # the second time nothing changes
            await client.patch(path, json=change, headers=superuser_headers)
        assert audit_lines() == [{"event": event} | done]
    for _ in range(2):
        await client.delete(path, headers=superuser_headers)
    assert audit_lines() == [{"event": "account_deleted"} | done]
    assert (await client.delete(f"/users/{superuser.id}", headers=superuser_headers)).status_code == 409
    assert audit_lines() == []


async def test_users_who_delete_their_own_account_are_logged(
    client: AsyncClient, default_user: User, audit_lines: Lines
) -> None:
    await client.delete("/users/me", headers=bearer(await begin(default_user)))
    user_id = str(default_user.id)
    assert audit_lines() == [{"event": "account_deleted", "user_id": user_id, "by": user_id}]


@pytest.mark.usefixtures("one_moment")
async def test_second_factors_are_logged(
    client: AsyncClient, default_user: User, superuser: User, superuser_headers: dict[str, str], audit_lines: Lines
) -> None:
    headers, ids = bearer(await begin(default_user)), {"user_id": str(default_user.id)}
    factor = await set_up(client, headers)
    assert audit_lines() == [{"event": "second_factor_added"} | ids]
    token = await mfa_token(client, default_user)
    assert audit_lines() == []
    for _ in range(2):
        await answer(client, token, factor.recovery_codes[0])
    events = ["recovery_code_used", "login_succeeded", "second_factor_failed"]
    assert audit_lines() == [{"event": event} | ids for event in events]
    for _ in range(5):
        await answer(client, token, "000000")
    assert audit_lines() == [{"event": "second_factor_failed"} | ids] * 4 + [{"event": "login_throttled"} | ids]
    await client.delete(f"/users/{default_user.id}/second-factor", headers=superuser_headers)
    assert audit_lines() == [{"event": "second_factor_removed"} | ids | {"by": str(superuser.id)}]


async def test_log_level_does_not_silence_the_audit_log(
    client: AsyncClient, default_user: User, audit_lines: Lines
) -> None:
    logger = logging.getLogger("app")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        await login(client, default_user)
    finally:
        logger.setLevel(level)
    assert len(audit_lines()) == 1
