"""What the audit log has about second factors."""

import pytest
from httpx import AsyncClient

from app.features.second_factor.tests.helpers import answer, log_in, mfa_token, reauthenticate, set_up
from app.models import User
from app.tests.helpers import AuditLines, bearer, begin

pytestmark = pytest.mark.usefixtures("one_moment")


async def test_second_factors_are_logged(
    client: AsyncClient, default_user: User, superuser: User, superuser_headers: dict[str, str], audit_lines: AuditLines
) -> None:
    headers, ids = bearer(await begin(default_user)), {"user_id": str(default_user.id)}
    factor = await set_up(client, headers)
    assert audit_lines() == [{"event": "second_factor_added"} | ids]
    token = await mfa_token(client, default_user)
    assert audit_lines() == [{"event": "password_accepted"} | ids]
    for _ in range(2):
        await answer(client, token, factor.recovery_codes[0])
    events = ["recovery_code_used", "login_succeeded", "second_factor_failed"]
    assert audit_lines() == [{"event": event} | ids for event in events]
    for _ in range(5):
        await answer(client, token, "000000")
    assert audit_lines() == [{"event": "second_factor_failed"} | ids] * 4 + [{"event": "login_throttled"} | ids]
    await client.delete(f"/users/{default_user.id}/second-factor", headers=superuser_headers)
    assert audit_lines() == [{"event": "second_factor_removed"} | ids | {"by": str(superuser.id)}]


async def test_what_owners_do_with_a_session_is_logged(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str], audit_lines: AuditLines
) -> None:
    ids = {"user_id": str(default_user.id)}
    factor = await set_up(client, default_user_headers)
    recent = await log_in(client, default_user, factor.code())
    audit_lines()
    await reauthenticate(client, recent, code="000000")
    await reauthenticate(client, recent, code=factor.recovery_codes[0])
    assert audit_lines() == [{"event": event} | ids for event in ("second_factor_failed", "recovery_code_used")]
    for _ in range(2):  # the second time in vain
        await client.delete("/auth/totp", headers=recent)
    assert audit_lines() == [{"event": "second_factor_removed"} | ids | {"by": str(default_user.id)}]
