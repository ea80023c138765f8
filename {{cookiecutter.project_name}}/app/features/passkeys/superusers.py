"""Superusers whose rights need a stronger session than one begun by password."""

from fastapi import HTTPException, status
from sqlalchemy import select

from app.api.errors import LOG_IN_STRONGER
from app.auth.caller import Caller, superuser_rules
from app.core.database import Database
from app.features.passkeys.models import Passkey
from app.models import User


async def refuse_weaker_session(database: Database, user: Caller) -> None:
    """A superuser who has a passkey can't change credentials in a session without a superuser's rights.

    Otherwise whoever has stolen the password could add a credential, and log in with it. Raises the 403.
    """
    if all(rule.is_met(user) for rule in superuser_rules):
        return
    passkeys = select(Passkey.id).join(User, User.id == Passkey.user_id).where(User.id == user.id, User.is_superuser)
    if await database.fetch_one(passkeys):
        raise HTTPException(status.HTTP_403_FORBIDDEN, LOG_IN_STRONGER)
