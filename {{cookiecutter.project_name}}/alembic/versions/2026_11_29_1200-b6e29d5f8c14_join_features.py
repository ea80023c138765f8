"""join features

The migrations of features stand side by side, with one of the core among them. A feature that comes later is joined
by a revision of its own (`alembic merge heads`), not here: databases past this one would skip its migration.

Revision: b6e29d5f8c14, after those below
Created: 2026-11-29 12:00:00+00:00
"""

revision = "b6e29d5f8c14"
down_revision = (
    "7d41c0b95ea3",  # the core
    "2d7b94e1c8a5",  # mail
    "5e8c2a7d9f16",  # second_factor
    "a17f4c93be08",  # passkeys
    "c40e7d93b52a",  # api_keys
)
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
