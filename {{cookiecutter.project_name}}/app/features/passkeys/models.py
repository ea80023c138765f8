"""The tables of passkeys."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String, func
from sqlalchemy.orm import Mapped, mapped_column

from app.models import Base, PrimaryKey

PASSKEY_NAME_MAX_LENGTH = 50


class Passkey(Base):
    """A public key credential (WebAuthn section 4) that logs its owner in; see ceremonies.py."""

    __tablename__ = "passkeys"

    id: Mapped[PrimaryKey] = mapped_column(init=False, default_factory=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(PASSKEY_NAME_MAX_LENGTH))
    credential_id: Mapped[bytes] = mapped_column(unique=True)
    public_key: Mapped[bytes]  # COSE
    sign_count: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(init=False, server_default=func.now())
    last_used_at: Mapped[datetime | None] = mapped_column(init=False, default=None)


class SpentChallenge(Base):
    """A WebAuthn challenge that was used, until it expires: each works once."""

    __tablename__ = "spent_challenges"

    challenge: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
