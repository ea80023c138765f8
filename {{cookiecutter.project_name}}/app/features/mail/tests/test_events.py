"""What the audit log says of accounts by email."""

from httpx import AsyncClient

from app.features.mail.tests.helpers import Events, Mailbox
from app.models import User
from app.tests.helpers import PASSWORD


async def test_recovery_verification_and_change_of_address(
    client: AsyncClient, mailbox: Mailbox, default_user: User, default_user_headers: dict[str, str], events: Events
) -> None:
    user_id = str(default_user.id)
    body = {"email": "new@example.com", "current_password": PASSWORD}
    await client.post("/users/me/email", json=body, headers=default_user_headers)
    for _ in range(2):  # the second time in vain
        token = await mailbox.token("new@example.com", "verify-email") if not _ else "x"
        await client.post("/auth/verify-email", json={"token": token})
    assert events() == [("email_changed", user_id)]
    for email in ("new@example.com", "nobody@example.com"):
        await client.post("/auth/forgot-password", json={"email": email})
    assert events() == [("recovery_requested", user_id), ("recovery_requested", None)]
    token = await mailbox.token("new@example.com", "recover-password")
    for _ in range(2):
        recovery = {"token": token, "new_password": "a new and better one"}
        await client.post("/auth/recover-password", json=recovery)
    assert events() == [("password_recovered", user_id)]


async def test_a_verification(
    client: AsyncClient, mailbox: Mailbox, default_user: User, default_user_headers: dict[str, str], events: Events
) -> None:
    await client.post("/auth/request-verification", headers=default_user_headers)
    token = await mailbox.token(default_user.email, "verify-email")
    for _ in range(2):
        await client.post("/auth/verify-email", json={"token": token})
    assert events() == [("email_verified", str(default_user.id))]
