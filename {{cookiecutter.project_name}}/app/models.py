"""The tables.

Dataclass-mapped: `Pet(user.id, "Rex")` is a plain constructor call that a type checker follows.
"""

import uuid
from datetime import datetime
from typing import Annotated

from sqlalchemy import DateTime, ForeignKey, Index, MetaData, String, false, func, true
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column

EMAIL_MAX_LENGTH = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets
PET_NAME_MAX_LENGTH = 50
USER_AGENT_MAX_LENGTH = 255

# The application generates ids, so that they are known before the INSERT; the database does for rows from elsewhere.
PrimaryKey = Annotated[uuid.UUID, mapped_column(primary_key=True, server_default=func.gen_random_uuid())]


# eq=False keeps instances hashable; repr=False keeps password hashes out of logs.
class Base(MappedAsDataclass, DeclarativeBase, eq=False, repr=False):
    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012
    # Every constraint has a name, so that a later migration can drop it: https://alembic.sqlalchemy.org/en/latest/naming.html
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    # Each INSERT and UPDATE returns what the database filled in: loading it later would need an await.
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012


class User(Base):
    __tablename__ = "users"

    id: Mapped[PrimaryKey] = mapped_column(init=False, default_factory=uuid.uuid4)
    email: Mapped[str] = mapped_column(String(EMAIL_MAX_LENGTH))
    hashed_password: Mapped[str] = mapped_column(String(128))
    is_active: Mapped[bool] = mapped_column(default=True, server_default=true())
    is_superuser: Mapped[bool] = mapped_column(default=False, server_default=false())
    # A login that was checked against an older password must not begin a session; see auth/sessions.py. A deactivation
    # sets it, too, which ends all logins and tokens that are under way.
    password_changed_at: Mapped[datetime] = mapped_column(init=False, server_default=func.now())
    # Set when another way to log in comes or goes, with the same effect: no login from before begins a session.
    factors_changed_at: Mapped[datetime | None] = mapped_column(init=False, default=None)
    email_verified_at: Mapped[datetime | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = mapped_column(init=False, server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(init=False, server_default=func.now(), onupdate=func.now())


# Ana@example.com and ana@example.com are one account.
Index("uq_users_email_lower", func.lower(User.email), unique=True)


# Used to check that another superuser is left when one is changed or deleted.
Index("ix_users_active_superusers", User.id, postgresql_where=User.is_superuser & User.is_active)


class LoginSession(Base):
    """One login, however often it is refreshed. Ending it deletes the row."""

    __tablename__ = "login_sessions"

    id: Mapped[PrimaryKey] = mapped_column(init=False, default_factory=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    user_agent: Mapped[str | None] = mapped_column(String(USER_AGENT_MAX_LENGTH), default=None)
    client: Mapped[bytes | None] = mapped_column(default=None)  # a keyed hash of the client's network
    # The number of the unspent refresh token, counted from 0.
    generation: Mapped[int] = mapped_column(default=0, server_default="0")
    login_method: Mapped[str] = mapped_column(String(20), default="password", server_default="password")
    # When the user last logged in or re-authenticated; None: the session is not recent.
    authenticated_at: Mapped[datetime | None] = mapped_column(init=False, server_default=func.now())
    created_at: Mapped[datetime] = mapped_column(init=False, server_default=func.now())
    last_used_at: Mapped[datetime] = mapped_column(init=False, server_default=func.now())


class KnownClient(Base):
    """A network from which somebody has recently logged in to an account; see auth/known_clients.py."""

    __tablename__ = "known_clients"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    client: Mapped[bytes] = mapped_column(primary_key=True)  # a keyed hash of the network
    expires_at: Mapped[datetime] = mapped_column(index=True)


class RateLimit(Base):
    """When a rate limit will have all its attempts back; see auth/rate_limits.py."""

    __tablename__ = "rate_limits"

    key: Mapped[bytes] = mapped_column(primary_key=True)
    resets_at: Mapped[datetime] = mapped_column(index=True)


class Pet(Base):
    __tablename__ = "pets"

    id: Mapped[PrimaryKey] = mapped_column(init=False, default_factory=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    pet_name: Mapped[str] = mapped_column(String(PET_NAME_MAX_LENGTH))
    created_at: Mapped[datetime] = mapped_column(init=False, server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(init=False, server_default=func.now(), onupdate=func.now())

    # In the order in which a user's pets are listed, so that any page is one descent of the index.
    __table_args__ = (Index(None, "user_id", "pet_name", "id"),)
