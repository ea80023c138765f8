"""add registrations

Revision: 2d7b94e1c8a5, after a17f4c93be08
Created: 2026-11-29 06:00:00+00:00
"""

import sqlalchemy as sa

from alembic import op

revision = "2d7b94e1c8a5"
down_revision = "a17f4c93be08"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "registrations",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("hashed_password", sa.String(length=128), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registrations")),
    )
    op.create_index(op.f("ix_registrations_expires_at"), "registrations", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_table("registrations")
