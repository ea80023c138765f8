"""Keyset pagination: a page begins after the last row of the previous one, which an index finds at once.

Page 10,000 costs what page 1 costs. The library for this, sqlakeyset, needs a session for each page, with which a
small list takes 1.2 times as long.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, TypeVarTuple
from urllib.parse import quote

from fastapi import Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Row, Select, literal, tuple_
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import InstrumentedAttribute

from app.api.deps import Autocommit
from app.api.oauth_errors import Documented
from app.core.database import Database
from app.core.outages import is_data_error

Columns = TypeVarTuple("Columns")
Column = InstrumentedAttribute[Any] | ColumnElement[Any]

DEFAULT_LIMIT = 50
MAX_LIMIT = 100
MAX_CURSOR_LENGTH = 2048  # 254 characters of up to 4 bytes and an id, in base64

_LINK = {"schema": {"type": "string"}, "description": 'RFC 8288: `</…>; rel="next"` if there is another page.'}
PAGED: Documented = {200: {"headers": {"Link": _LINK}}}


@dataclass(frozen=True, slots=True)
class Page:
    """The page that a client requests: at most `limit` rows, after the row that the cursor `after` points to."""

    database: Database
    request: Request
    response: Response
    limit: int
    after: str | None

    async def fetch(
        self, statement: Select[*Columns], *order_by: Column, descending: bool = False
    ) -> Sequence[Row[*Columns]]:
        """Fetch the rows of this page, in this order. Sets the `Link` header if there are more.

        Order by columns of the statement that are never NULL, the last one unique. An index on the same columns makes
        any page one range of it.
        """
        in_order = [column.desc() if descending else column.asc() for column in order_by]
        page = statement.order_by(*in_order).limit(self.limit + 1)
        if self.after is None:
            rows = await self.database.fetch_all(page)
        else:
            rows = await self._fetch_after(self.after, page, order_by, descending)
        if len(rows) > self.limit:
            rows = rows[: self.limit]
            self.response.headers["Link"] = f'<{self._following(rows[-1], order_by)}>; rel="next"'
        return rows

    async def _fetch_after(
        self, after: str, page: Select[*Columns], order_by: Sequence[Column], descending: bool
    ) -> Sequence[Row[*Columns]]:
        try:
            cursor = _cursor_type(order_by).validate_json(base64.b64decode(after, altchars=b"-_", validate=True))
            last_row = tuple_(*(literal(value, column.type) for column, value in zip(order_by, cursor, strict=True)))
            is_after = tuple_(*order_by) < last_row if descending else tuple_(*order_by) > last_row
            return await self.database.fetch_all(page.where(is_after))
        except (ValueError, DBAPIError) as error:
            if isinstance(error, DBAPIError) and not is_data_error(error):
                raise
        message = "Not a cursor of this list"
        raise RequestValidationError([{"type": "value_error", "loc": ("query", "after"), "msg": message}])

    def _following(self, last_row: Row[*tuple[Any, ...]], order_by: Sequence[Column]) -> str:
        """Without a host: behind a proxy, ours isn't the client's (RFC 8288 section 3.1 takes relative references)."""
        values = tuple(getattr(last_row, str(column.key)) for column in order_by)
        cursor = base64.urlsafe_b64encode(_cursor_type(order_by).dump_json(values)).decode()
        url = self.request.url.include_query_params(limit=self.limit, after=cursor)
        return f"{quote(self.request.scope['path'])}?{url.query}"


def _cursor_type(order_by: Sequence[Column]) -> TypeAdapter[tuple[Any, ...]]:
    return _tuple_type(tuple(column.type.python_type for column in order_by))


@lru_cache(64)
def _tuple_type(types: tuple[type, ...]) -> TypeAdapter[tuple[Any, ...]]:
    if object in types:
        raise TypeError("SQLAlchemy doesn't know the type of an expression to order by: give it one, as type_=String")
    return TypeAdapter(tuple[*types])  # type: ignore[valid-type]


async def get_page(
    database: Autocommit,
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    after: Annotated[
        str | None, Query(max_length=MAX_CURSOR_LENGTH, description="From the `Link` header of the previous page.")
    ] = None,
) -> Page:
    return Page(database, request, response, limit, after)


PageQuery = Annotated[Page, Depends(get_page)]
