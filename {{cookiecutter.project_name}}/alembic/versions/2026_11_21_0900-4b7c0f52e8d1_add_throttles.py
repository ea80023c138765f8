"""add throttles

Revision: 4b7c0f52e8d1, after d18e5df1a99b
Created: 2026-11-21 09:00:00+00:00
"""

import sqlalchemy as sa

from alembic import op

revision = "4b7c0f52e8d1"
down_revision = "d18e5df1a99b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "throttles",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("spent_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_throttles")),
    )
    op.create_index(op.f("ix_throttles_spent_until"), "throttles", ["spent_until"], unique=False)


def downgrade() -> None:
    op.drop_table("throttles")
