"""Registration that tells nobody whether an address has an account: REGISTRATION=discreet."""

from sqlalchemy import Interval, func, literal
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.expired import expired_rows
from app.features.mail.models import Registration
from app.features.mail.outbox import post
from app.features.mail.settings import mail_settings
from app.features.mail.tokens import LIFETIMES
from app.models import User


async def register_discreetly(session: AsyncSession, user: User) -> bool:
    """Add the account, unless the address has one, and an email, by the same statements either way; then commit.

    False, and nothing, with REGISTRATION=open.

    What the email says is decided when it leaves. Its token is for the password of this registration alone: while an
    address is unverified, several people may register with it, and its owner chooses by the link that is followed.
    """
    if mail_settings.registration == "open":
        return False
    new = insert(User).values(id=user.id, email=user.email, hashed_password=user.hashed_password)
    await session.execute(new.on_conflict_do_nothing())
    # The row is needed for as long as the email may wait, and then for as long as its token lives.
    expires_at = func.now() + literal(2 * LIFETIMES["verification"], Interval())
    registration = insert(Registration).values(
        id=post(session, "verification", user.email),
        email=user.email,
        hashed_password=user.hashed_password,
        expires_at=expires_at,
    )
    await session.execute(registration.add_cte(expired_rows(Registration.expires_at)))
    await session.commit()
    return True
