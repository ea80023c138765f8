"""The tables of mail."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models import EMAIL_MAX_LENGTH, Base, PrimaryKey


class OutgoingMail(Base):
    """An email that is to be sent, or that could not be; gone once it is sent. See outbox.py."""

    __tablename__ = "outgoing_mails"

    id: Mapped[PrimaryKey] = mapped_column(init=False, default_factory=uuid.uuid4)
    kind: Mapped[str] = mapped_column(String(40))
    address: Mapped[str] = mapped_column(String(EMAIL_MAX_LENGTH))
    # None where no account was looked up, so that the request takes the same time whether there is one.
    user_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    # What its text may mention.
    data: Mapped[dict[str, Any]] = mapped_column(JSONB, default_factory=dict, server_default="{}")
    attempts: Mapped[int] = mapped_column(init=False, default=0, server_default="0")
    due_at: Mapped[datetime | None] = mapped_column(init=False, server_default=func.now(), index=True)  # None: dead
    failure: Mapped[str | None] = mapped_column(init=False, default=None)  # why the last attempt failed
    created_at: Mapped[datetime] = mapped_column(init=False, server_default=func.now())


class Registration(Base):
    """A registration with REGISTRATION=discreet, while its address may be verified; see registration.py."""

    __tablename__ = "registrations"

    id: Mapped[PrimaryKey]  # also the id of its email
    email: Mapped[str] = mapped_column(String(EMAIL_MAX_LENGTH))
    hashed_password: Mapped[str] = mapped_column(String(128))
    expires_at: Mapped[datetime] = mapped_column(index=True)


class EmailChange(Base):
    """The address that an account is to have once a token comes back from there; see tokens.py."""

    __tablename__ = "email_changes"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    email: Mapped[str] = mapped_column(String(EMAIL_MAX_LENGTH))
    requested_at: Mapped[datetime] = mapped_column(server_default=func.now())
