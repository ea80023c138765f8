"""The tables of second factors."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.models import Base


class TotpSecret(Base):
    """What an authenticator app shares with us, encrypted; see totp.py."""

    __tablename__ = "totp_secrets"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    encrypted: Mapped[bytes]
    confirmed_at: Mapped[datetime | None] = mapped_column(default=None)  # None: nobody is asked for a code yet
    # The time step of the last accepted code: neither that code nor an older one works again.
    last_step: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")


class RecoveryCode(Base):
    """An unused recovery code, of which the database has a hash only; gone once it is used."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    code: Mapped[bytes] = mapped_column(primary_key=True)
