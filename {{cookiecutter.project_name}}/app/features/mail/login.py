"""What mail has to say about logging in and registering."""

import uuid
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from app.api.grants import INCORRECT_LOGIN
from app.api.oauth_errors import OAuthError, Refusal
from app.auth.accounts import Account
from app.auth.clients import Client
from app.core.database import Database
from app.features.mail.outbox import post
from app.features.mail.settings import mail_settings

EMAIL_NOT_VERIFIED: Final = Refusal("email_not_verified", "Email address not verified", 403)


async def stop_unverified(database: Database, account: Account, _: Client, method: str) -> None:
    """A login step: under EMAIL_VERIFICATION=required only verified addresses log in, and others get a new token."""
    if mail_settings.email_verification == "optional" or account.email_verified_at is not None:
        return
    async with database.session() as session:
        post(session, "verification", account.email, account.id)
        await session.commit()
    # A registration must not reveal an older account; whoever has its passkey or its codes knows it.
    if mail_settings.registration == "discreet" and method == "password":
        raise OAuthError(INCORRECT_LOGIN)
    raise OAuthError(EMAIL_NOT_VERIFIED)


async def tell_owner_of_registration(session: AsyncSession, address: str) -> bool:
    """Under REGISTRATION=discreet, only the owner learns that there is an account already."""
    if mail_settings.registration == "open":
        return False
    post(session, "already_registered", address)
    return True


def send_notice(
    session: AsyncSession, kind: str, address: str, user_id: uuid.UUID | None, data: dict[str, Any]
) -> None:
    post(session, kind, address, user_id)
