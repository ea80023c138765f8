"""Creates the first superuser: `python -m app.initial_data`. Safe to repeat, and to run on many replicas at once.

`python -m app.initial_data --reset-password` gives an existing one the password of the settings.
"""

import asyncio
import sys

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from app.core.config import settings
from app.core.database import database
from app.core.outages import reason
from app.core.passwords import check_password, hash_password
from app.models import LoginSession, User
from app.schemas.requests import canonical_email


async def create_first_superuser() -> str:
    """Create the first superuser if there is none; returns a message that says what was done."""
    if settings.first_superuser_email is None or settings.first_superuser_password is None:
        return "No first superuser: FIRST_SUPERUSER_EMAIL or FIRST_SUPERUSER_PASSWORD is not set."
    email = canonical_email(settings.first_superuser_email)
    password = settings.first_superuser_password.get_secret_value()
    any_superuser = select(User.id).where(User.is_superuser).limit(1)
    if await database.fetch_one(any_superuser):
        return f"A superuser already exists.{await _note_on_the_password(email, password)}"
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


async def _note_on_the_password(email: str, password: str) -> str:
    """In development `.env` may be newer than the database; elsewhere the check would only delay the start."""
    if settings.environment != "dev":
        return ""
    its_hash = select(User.hashed_password).where(func.lower(User.email) == email.lower(), User.is_superuser)
    found = await database.fetch_one(its_hash)
    if found is None or (await check_password(password, found.hashed_password)).is_correct:
        return ""
    return (
        f" The password of {email} isn't FIRST_SUPERUSER_PASSWORD: it was changed, or .env is newer than the database."
        "\n`.venv/bin/python -m app.initial_data --reset-password` sets it."
    )


async def reset_password() -> str:
    """Give the first superuser the password of the settings, and end its sessions; returns what was done."""
    if settings.first_superuser_email is None or settings.first_superuser_password is None:
        return "Nothing was reset: FIRST_SUPERUSER_EMAIL or FIRST_SUPERUSER_PASSWORD is not set."
    email = canonical_email(settings.first_superuser_email)
    hashed_password = await hash_password(settings.first_superuser_password.get_secret_value())
    async with database.session.begin() as session:
        user_id = await session.scalar(
            update(User)
            .where(func.lower(User.email) == email.lower(), User.is_superuser)
            .values(hashed_password=hashed_password, password_changed_at=func.now())
            .returning(User.id)
        )
        await session.execute(delete(LoginSession).where(LoginSession.user_id == user_id))
    return f"Nothing was reset: {email} is no superuser." if user_id is None else f"The password of {email} is set."


async def main() -> None:
    actions = {(): create_first_superuser, ("--reset-password",): reset_password}
    if (action := actions.get(tuple(sys.argv[1:]))) is None:
        sys.exit("Usage: python -m app.initial_data [--reset-password]")
    try:
        print(await action())  # noqa: T201
    except (DBAPIError, OSError, TimeoutError) as error:
        sys.exit(f"The database at {settings.database_address} is unavailable: {reason(error)}.")
    await database.dispose()


if __name__ == "__main__":
    asyncio.run(main())
