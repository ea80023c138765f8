"""Creates the first superuser: `python -m app.initial_data`. Safe to repeat, and to run on many replicas at once."""

import asyncio
import sys

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from app.core.config import settings
from app.core.database import database
from app.core.outages import reason
from app.core.passwords import hash_password
from app.models import User
from app.schemas.requests import canonical_email


async def create_first_superuser() -> str:
    """Create the first superuser if there is none; returns a message that says what was done."""
    if settings.first_superuser_email is None or settings.first_superuser_password is None:
        return "No first superuser: FIRST_SUPERUSER_EMAIL or FIRST_SUPERUSER_PASSWORD is not set."
    email = canonical_email(settings.first_superuser_email)
    password = settings.first_superuser_password.get_secret_value()
    any_superuser = select(User.id).where(User.is_superuser).limit(1)
    if await database.fetch_one(any_superuser):
        return "A superuser already exists."
    superuser = {"email": email, "hashed_password": await hash_password(password), "is_superuser": True}
    # The address counts as verified: the operator, who sets it, knows whose it is.
    new = insert(User).values(**superuser, email_verified_at=func.now()).on_conflict_do_nothing()
    created = await database.execute(new)
    if not created and await database.fetch_one(any_superuser):
        return "A superuser already exists: another process has just created it."
    if not created:  # not promoted, as anybody may have registered with this email address
        return f"No first superuser: {email} is already an ordinary account. Set another FIRST_SUPERUSER_EMAIL."
    # Shown only this once, and only in development: elsewhere it could end up in a log.
    shown = f" with the password {password}" if settings.environment == "dev" else ""
    return f"Created the first superuser {email}{shown}"


async def main() -> None:
    try:
        print(await create_first_superuser())  # noqa: T201
    except (DBAPIError, OSError, TimeoutError) as error:
        sys.exit(f"The database at {settings.database_address} is unavailable: {reason(error)}.")
    await database.dispose()


if __name__ == "__main__":
    asyncio.run(main())
