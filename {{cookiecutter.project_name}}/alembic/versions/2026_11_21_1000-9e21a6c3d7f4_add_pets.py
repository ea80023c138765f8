"""add pets

Revision: 9e21a6c3d7f4, after 4b7c0f52e8d1
Created: 2026-11-21 10:00:00+00:00
"""

import sqlalchemy as sa

from alembic import op

revision = "9e21a6c3d7f4"
down_revision = "4b7c0f52e8d1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pets",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("pet_name", sa.String(length=50), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_pets_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pets")),
    )
    op.create_index(op.f("ix_pets_user_id_pet_name_id"), "pets", ["user_id", "pet_name", "id"], unique=False)


def downgrade() -> None:
    op.drop_table("pets")
