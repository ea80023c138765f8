"""add rate limits and known clients

Rate limits replace the throttles, whose counts are lost. Processes with the old code respond to logins and
registrations with 503 from here until they end; sessions continue.

Revision: 6f3d0b8a51ce, after 9e21a6c3d7f4
Created: 2026-11-24 20:00:00+00:00
"""

import sqlalchemy as sa

from alembic import op

revision = "6f3d0b8a51ce"
down_revision = "9e21a6c3d7f4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rate_limits",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("resets_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rate_limits")),
    )
    op.create_index(op.f("ix_rate_limits_resets_at"), "rate_limits", ["resets_at"], unique=False)
    op.create_table(
        "known_clients",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("client", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_known_clients_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "client", name=op.f("pk_known_clients")),
    )
    op.create_index(op.f("ix_known_clients_expires_at"), "known_clients", ["expires_at"], unique=False)
    op.add_column("login_sessions", sa.Column("client", sa.LargeBinary(), nullable=True))
    op.drop_table("throttles")


def downgrade() -> None:
    op.create_table(
        "throttles",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("spent_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_throttles")),
    )
    op.create_index(op.f("ix_throttles_spent_until"), "throttles", ["spent_until"], unique=False)
    op.drop_column("login_sessions", "client")
    op.drop_table("known_clients")
    op.drop_table("rate_limits")
