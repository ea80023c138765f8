"""An update from version 0.2.0."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from alembic import command
from app.core.config import PROJECT_DIR
from app.features.mail.tests.helpers import NEW, change, state, verify
from app.features.mail.tokens import create_mail_token
from app.models import User
from app.tests.helpers import PASSWORD, bearer, hash_of_password, login
from app.tests.other_settings import application_with

CONFIG = Config(PROJECT_DIR / "alembic.ini")


async def test_a_change_of_address_that_is_under_way_goes_on(empty_database: AsyncConnection) -> None:
    await asyncio.to_thread(command.upgrade, CONFIG, "c3a91f6e52b7")
    # In version 0.2.0, that migration added this column, too.
    await empty_database.execute(text("ALTER TABLE users ADD COLUMN IF NOT EXISTS email_verified_at timestamptz"))
    insert = text(
        "INSERT INTO users (email, hashed_password, pending_email, pending_email_at)"
        " VALUES (:email, :hash, :pending, now()) RETURNING *"
    )
    values = {"email": "ana@example.com", "hash": hash_of_password(), "pending": NEW}
    account = (await empty_database.execute(insert, values)).one()
    await empty_database.execute(insert, values | {"email": "bob@example.com", "pending": None})
    pending = SimpleNamespace(email=account.pending_email, requested_at=account.pending_email_at)
    token = create_mail_token("email_change", account, datetime.now(UTC) + timedelta(hours=24), change=pending)
    await asyncio.to_thread(command.upgrade, CONFIG, "head")
    async with application_with() as client:
        ana, bob = [
            bearer(await login(client, User(email, "-"), PASSWORD)) for email in ("ana@example.com", "bob@example.com")
        ]
        assert (await state(client, ana))["pending"] == NEW
        assert (await state(client, bob))["pending"] is None
        assert (await verify(client, token)).status_code == 204
        assert (await state(client, ana))["email"] == NEW
        # And back: processes with the old code find what was asked for since.
        assert (await change(client, bob, "newer@example.com")).status_code == 202
    await asyncio.to_thread(command.downgrade, CONFIG, "c3a91f6e52b7")
    rows = (await empty_database.execute(text("SELECT email, pending_email FROM users ORDER BY email"))).all()
    assert [(row.email, row.pending_email) for row in rows] == [("bob@example.com", "newer@example.com"), (NEW, None)]
