"""complete mail

Changes of address move to a table of their own. Processes with the old code respond to requests for accounts with 500
from here until they end; sessions continue.

Revision: 2d7b94e1c8a5, after c3a91f6e52b7
Created: 2026-11-29 06:00:00+00:00
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "2d7b94e1c8a5"
down_revision = "c3a91f6e52b7"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "outgoing_mails",
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
    )
    op.create_table(
        "registrations",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("hashed_password", sa.String(length=128), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registrations")),
    )
    op.create_index(op.f("ix_registrations_expires_at"), "registrations", ["expires_at"], unique=False)
    op.create_table(
        "email_changes",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_email_changes_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_email_changes")),
    )
    op.execute(
        "INSERT INTO email_changes SELECT id, pending_email, pending_email_at FROM users"
        " WHERE pending_email IS NOT NULL AND pending_email_at IS NOT NULL"
    )
    op.drop_column("users", "pending_email_at")
    op.drop_column("users", "pending_email")


def downgrade() -> None:
    op.add_column("users", sa.Column("pending_email", sa.String(length=254), nullable=True))
    op.add_column("users", sa.Column("pending_email_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE users SET pending_email = email_changes.email, pending_email_at = requested_at"
        " FROM email_changes WHERE user_id = users.id"
    )
    op.drop_table("email_changes")
    op.drop_table("registrations")
    op.drop_column("outgoing_mails", "data")
