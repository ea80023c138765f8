"""What access tokens say of a user beside what RFC 9068 requires: one entry for each claim."""

from itertools import chain
from typing import Any, Final

from sqlalchemy import JSON, ColumnElement, Label, func, null

# By its name, a column of `users` or any expression on it: {"locale": User.locale}. A claim is as old as its token.
CLAIMS: Final[dict[str, ColumnElement[Any]]] = {}

# For the queries that precede a token.
CLAIMS_COLUMN: Final[Label[Any]] = (
    func.json_build_object(*chain.from_iterable(CLAIMS.items()), type_=JSON()) if CLAIMS else null()
).label("claims")
