"""What mail has to say about logging in and registering."""

import uuid
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from app.api.oauth_errors import OAuthError, Refusal
from app.auth.accounts import Account
from app.auth.clients import Client
from app.core.database import Database
from app.features.mail.outbox import post
from app.features.mail.settings import mail_settings

EMAIL_NOT_VERIFIED: Final = Refusal("email_not_verified", "Email address not verified", 403)


async def stop_unverified(database: Database, account: Account, _: Client, __: str) -> None:
    """A login step: under EMAIL_VERIFICATION=required only verified addresses log in, and others get a new token."""
    if mail_settings.email_verification == "optional" or account.email_verified_at is not None:
        return
    async with database.session() as session:
        post(session, "verification", account.email, account.id)
        await session.commit()
    raise OAuthError(EMAIL_NOT_VERIFIED)


def hides(account: Account) -> bool:
    """Under REGISTRATION=discreet, nobody learns by logging in whether the address of a registration was free."""
    return mail_settings.registration == "discreet" and account.email_verified_at is None


def send_notice(
    session: AsyncSession, kind: str, address: str, user_id: uuid.UUID | None, data: dict[str, Any]
) -> None:
    """Have a notice sent by email; the notice of a new account is the email that verifies its address."""
    post(session, "verification" if kind == "registered" else kind, address, user_id, **data)
