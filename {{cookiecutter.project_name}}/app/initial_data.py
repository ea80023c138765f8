"""Creates the first superuser: `python -m app.initial_data`. Safe to repeat, and from many replicas at once."""

import asyncio

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.core.config import settings
from app.core.database import autocommit, engine
from app.core.security import hash_password
from app.models import User
from app.schemas.requests import canonical_email


async def create_first_superuser() -> str:
    """Returns what was done, in a sentence."""
    if settings.first_superuser_email is None or settings.first_superuser_password is None:
        return "No first superuser: FIRST_SUPERUSER_EMAIL or FIRST_SUPERUSER_PASSWORD is not set."
    email = canonical_email(settings.first_superuser_email)
    password = settings.first_superuser_password.get_secret_value()
    async with autocommit.connect() as connection:
        if await connection.scalar(select(User.id).where(User.is_superuser).limit(1)):
            return "There is a superuser already."
        superuser = {"email": email, "hashed_password": await hash_password(password), "is_superuser": True}
        created = await connection.scalar(insert(User).values(**superuser).on_conflict_do_nothing().returning(User.id))
    if created is None:
        return f"There is an account {email} already: just created by another process, or an ordinary one."
    # Shown this once, and never where it could end in a production log.
    shown = f" with the password {password}" if settings.environment == "dev" else ""
    return f"Created the first superuser {email}{shown}"


async def main() -> None:
    print(await create_first_superuser())  # noqa: T201
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
