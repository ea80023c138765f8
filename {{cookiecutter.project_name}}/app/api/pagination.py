"""Keyset pagination: a page begins after a key, which an index finds at once: page 10 000 costs what page 1 costs."""

import base64
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy import Row, Select, tuple_

from app.api.errors import Documented
from app.core.database import read

DEFAULT_LIMIT = 50
MAX_LIMIT = 100

_LINK = {"schema": {"type": "string"}, "description": 'RFC 8288: `<…>; rel="next"` while there are more.'}
PAGED: Documented = {200: {"headers": {"Link": _LINK}}}


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list that is ordered by a text and then by an id, which breaks ties."""

    request: Request
    response: Response
    limit: int
    after: tuple[str, uuid.UUID] | None

    async def fetch(self, statement: Select[*tuple[Any, ...]], *key: Any) -> Sequence[Row[*tuple[Any, ...]]]:
        """The rows of this page, ordered by `key`: a text and an id, which the statement selects as its first columns.

        Sets the `Link` header while there are more.
        """
        if self.after is not None:
            statement = statement.where(tuple_(*key) > self.after)
        rows = await read(statement.order_by(*key).limit(self.limit + 1))
        if len(rows) > self.limit:
            rows = rows[: self.limit]
            following = self.request.url.include_query_params(limit=self.limit, after=_write_key(*rows[-1][:2]))
            self.response.headers["Link"] = f'<{following}>; rel="next"'
        return rows


def _write_key(text: str, row_id: uuid.UUID) -> str:
    return base64.urlsafe_b64encode(json.dumps([text, str(row_id)]).encode()).decode()


def _read_key(after: str) -> tuple[str, uuid.UUID]:
    """Raises ValueError, TypeError, AttributeError or RecursionError for what `_write_key` didn't write."""
    text, row_id = json.loads(base64.b64decode(after, altchars=b"-_", validate=True))
    if b"\0" in text.encode():
        raise ValueError("PostgreSQL's text can't hold it")
    return text, uuid.UUID(row_id)


async def get_page(
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    after: Annotated[str | None, Query(max_length=512, description="From the `Link` of the page before.")] = None,
) -> Page:
    try:
        return Page(request, response, limit, None if after is None else _read_key(after))
    except (ValueError, TypeError, AttributeError, RecursionError):
        problem = {"type": "value_error", "loc": ("query", "after"), "msg": "Not an `after` that this list handed out"}
        raise RequestValidationError([problem]) from None


PageQuery = Annotated[Page, Depends(get_page)]
