"""Roles: sets of scopes with a name, which superusers give to accounts."""

import uuid
from collections.abc import Iterable
from typing import Final

from sqlalchemy import bindparam, select

from app.auth.scopes import RESERVED, SCOPES
from app.core.database import Database
from app.features.api_keys.models import UserRole

# By their names. They are for reserved scopes: every account has the others. `users:write` alone gives nothing, as its
# routes are for superusers.
ROLES: Final[dict[str, frozenset[str]]] = {
    "support": frozenset({"users:read"}),
}

_ROLES_OF: Final = select(UserRole.role).where(UserRole.user_id == bindparam("user_id"))


def scopes_of_roles(names: Iterable[str]) -> frozenset[str]:
    """What these roles give; a role that the code no longer knows gives nothing."""
    return frozenset[str]().union(*(ROLES.get(name, ()) for name in names))


def scopes_of_account(*, is_superuser: bool, of_roles: frozenset[str]) -> frozenset[str]:
    """All scopes of an account."""
    return frozenset(SCOPES if is_superuser else SCOPES.keys() - (RESERVED - of_roles))


async def give_scopes(database: Database, user_id: uuid.UUID) -> frozenset[str]:
    """The scopes that an account has by its roles."""
    rows = await database.fetch_all(_ROLES_OF, {"user_id": user_id})
    return scopes_of_roles(row.role for row in rows)
