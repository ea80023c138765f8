"""The tables of API keys and roles."""

import uuid
from datetime import datetime

from sqlalchemy import ARRAY, ForeignKey, String, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from app.models import Base, PrimaryKey

KEY_NAME_MAX_LENGTH = 50
ROLE_NAME_MAX_LENGTH = 50


class ApiKey(Base):
    """A key that a program of the owner's uses; see keys.py."""

    __tablename__ = "api_keys"

    id: Mapped[PrimaryKey]
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(KEY_NAME_MAX_LENGTH))
    secret_hash: Mapped[bytes]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    login_method: Mapped[str] = mapped_column(String(20))  # of the session that made it: a key is as strong as that
    expires_at: Mapped[datetime | None] = mapped_column(default=None)
    # What its tokens have as `sid`; another value ends all of them.
    session_id: Mapped[uuid.UUID] = mapped_column(
        init=False, default_factory=uuid.uuid4, server_default=func.gen_random_uuid()
    )
    created_at: Mapped[datetime] = mapped_column(init=False, server_default=func.now())
    last_used_at: Mapped[datetime | None] = mapped_column(init=False, default=None)


class UserRole(Base):
    """A role that a superuser gave to an account; roles.py says what it may do."""

    __tablename__ = "user_roles"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(String(ROLE_NAME_MAX_LENGTH), primary_key=True)
