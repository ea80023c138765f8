"""The tables of sign-in with others."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from app.models import EMAIL_MAX_LENGTH, Base, PrimaryKey

ISSUER_MAX_LENGTH = 255
SUBJECT_MAX_LENGTH = 255  # OpenID Connect Core section 2


class Identity(Base):
    """Somebody's account at a provider, which logs its owner in here; the provider's tokens are not kept."""

    __tablename__ = "identities"

    id: Mapped[PrimaryKey] = mapped_column(init=False, default_factory=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    provider: Mapped[str] = mapped_column(String(20))  # its id in the settings, when it was linked
    issuer: Mapped[str] = mapped_column(String(ISSUER_MAX_LENGTH))
    subject: Mapped[str] = mapped_column(String(SUBJECT_MAX_LENGTH))
    # As the provider said last; for people to recognise it, never to find an account.
    email: Mapped[str | None] = mapped_column(String(EMAIL_MAX_LENGTH))
    created_at: Mapped[datetime] = mapped_column(init=False, server_default=func.now())
    last_used_at: Mapped[datetime | None] = mapped_column(init=False, default=None)

    __table_args__ = (UniqueConstraint("issuer", "subject"),)


class SpentSignIn(Base):
    """A sign-in that came back from its provider, or a code that an application exchanged: each works once."""

    __tablename__ = "spent_sign_ins"

    state: Mapped[str] = mapped_column(String(43), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
