"""The audit log: one line per event, with ids and the client's IP address but no other personal data."""

import logging
from datetime import timedelta
from unittest.mock import patch

from fastapi import HTTPException
from httpx import AsyncClient
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth import login
from app.models import LoginSession, RateLimit, User
from app.tests.helpers import PASSWORD, AuditLines, Json, bearer, begin, refresh, try_login, try_refresh
from app.tests.helpers import login as log_in


async def session_id(client: AsyncClient, tokens: Json) -> str:
    listed = (await client.get("/auth/sessions", headers=bearer(tokens))).json()
    return next(str(session["id"]) for session in listed if session["current"])


async def test_logins_are_logged(
    client: AsyncClient, session: AsyncSession, default_user: User, audit_lines: AuditLines
) -> None:
    await log_in(client, default_user)
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


async def test_a_right_password_that_does_not_log_in_is_logged(
    client: AsyncClient, session: AsyncSession, default_user: User, audit_lines: AuditLines
) -> None:
    client.event_hooks = {}  # the specification has a 403 only where a feature's step answers with one

    async def stop(*_: object) -> None:
        raise HTTPException(400)

    async def deactivate(*_: object) -> None:
        await session.execute(update(User).values(is_active=False))
        await session.commit()

    for step in (stop, deactivate):
        with patch.object(login, "login_steps", [step]):
            assert (await try_login(client, default_user.email)).status_code == 400
        assert audit_lines() == [{"event": "password_accepted", "user_id": str(default_user.id)}]


async def test_a_replayed_refresh_token_is_logged_and_a_repeated_refresh_is_not(
    client: AsyncClient, session: AsyncSession, default_user: User, audit_lines: AuditLines
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


async def test_the_end_of_a_session_is_logged_once(
    client: AsyncClient, default_user: User, audit_lines: AuditLines
) -> None:
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


async def test_a_password_change_is_logged(client: AsyncClient, default_user: User, audit_lines: AuditLines) -> None:
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
    client: AsyncClient, superuser: User, superuser_headers: dict[str, str], default_user: User, audit_lines: AuditLines
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
    client: AsyncClient, default_user: User, audit_lines: AuditLines
) -> None:
    await client.delete("/users/me", headers=bearer(await begin(default_user)))
    user_id = str(default_user.id)
    assert audit_lines() == [{"event": "account_deleted", "user_id": user_id, "by": user_id}]


async def test_log_level_does_not_silence_the_audit_log(
    client: AsyncClient, default_user: User, audit_lines: AuditLines
) -> None:
    logger = logging.getLogger("app")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        await log_in(client, default_user)
    finally:
        logger.setLevel(level)
    assert len(audit_lines()) == 1
