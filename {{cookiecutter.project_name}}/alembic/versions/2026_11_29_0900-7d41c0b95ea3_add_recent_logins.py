"""add recent logins

Superusers that exist count as verified: whoever set them up knows whose addresses those are.

Revision: 7d41c0b95ea3, after 6f3d0b8a51ce
Created: 2026-11-29 09:00:00+00:00
"""

import sqlalchemy as sa

from alembic import op

revision = "7d41c0b95ea3"
down_revision = "6f3d0b8a51ce"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Databases of version 0.2.0 have this column already.
    op.execute("ALTER TABLE users ADD COLUMN IF NOT EXISTS email_verified_at TIMESTAMP WITH TIME ZONE")
    op.execute("UPDATE users SET email_verified_at = now() WHERE is_superuser AND email_verified_at IS NULL")
    op.add_column("users", sa.Column("factors_changed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "login_sessions",
        sa.Column("login_method", sa.String(length=20), server_default="password", nullable=False),
    )
    # Older sessions are not recent; later ones are, from their login on.
    op.add_column("login_sessions", sa.Column("authenticated_at", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("login_sessions", "authenticated_at", server_default=sa.func.now())


def downgrade() -> None:
    op.drop_column("login_sessions", "authenticated_at")
    op.drop_column("login_sessions", "login_method")
    op.drop_column("users", "factors_changed_at")
    op.drop_column("users", "email_verified_at")
