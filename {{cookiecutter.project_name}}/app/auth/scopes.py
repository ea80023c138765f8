"""Scopes: what a route may ask of its caller, `Security(get_current_user, scopes=["account"])`, and what each means.

A route's file adds its own. An account has every scope but the reserved ones, unless its token has fewer (`scope`).
"""

import uuid
from collections.abc import Awaitable, Callable
from typing import Final

from app.core.database import Database

SCOPES: Final[dict[str, str]] = {
    "account": "See and end what is logged in to the account",
    "users:read": "Read all accounts",
    "users:write": "Change and delete all accounts",
}
# Superusers have these, and accounts to which a feature gives them.
RESERVED: Final = {"users:read", "users:write"}

# Gets an account; returns the reserved scopes that it has.
ScopeGiver = Callable[[Database, uuid.UUID], Awaitable[frozenset[str]]]

scope_givers: Final[list[ScopeGiver]] = []  # features add theirs
