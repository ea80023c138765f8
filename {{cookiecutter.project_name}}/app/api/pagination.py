"""Keyset pagination: a page begins after the last row of the one before, which an index finds at once.

Page 10,000 costs what page 1 costs. The library for this, sqlakeyset, needs a session for each page, which makes a
small list half as slow again.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, TypeVarTuple

from fastapi import Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Row, Select, UnaryExpression, and_, literal, or_, tuple_
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.operators import desc_op

from app.api.errors import Documented
from app.core.database import Database
from app.core.outages import is_data_error

Columns = TypeVarTuple("Columns")
OrderBy = InstrumentedAttribute[Any] | ColumnElement[Any]

DEFAULT_LIMIT = 50
MAX_LIMIT = 100
MAX_CURSOR_LENGTH = 2048  # 254 characters of up to 4 bytes and an id, in base64

_LINK = {"schema": {"type": "string"}, "description": 'RFC 8288: `<…>; rel="next"` while there are more.'}
PAGED: Documented = {200: {"headers": {"Link": _LINK}}}


@dataclass(frozen=True, slots=True)
class Page:
    """The page that a client asked for: at most `limit` rows, after the row that a cursor names."""

    request: Request
    response: Response
    limit: int
    after: str | None

    async def fetch(
        self, database: Database, statement: Select[*Columns], *order_by: OrderBy
    ) -> Sequence[Row[*Columns]]:
        """The rows of this page, in this order. Sets the `Link` header while there are more.

        Order by any columns of the statement that are never NULL, `.desc()` or not, the last of them unique. Give an
        index the same columns, and the page is one descent of it.
        """
        columns = [column.element if isinstance(column, UnaryExpression) else column for column in order_by]
        cursor_type = _cursor_type(tuple(column.type.python_type for column in columns))
        if self.after is not None:
            try:
                last_row = cursor_type.validate_json(base64.b64decode(self.after, altchars=b"-_", validate=True))
            except ValueError:
                raise _not_a_cursor() from None
            statement = statement.where(_is_after(order_by, columns, last_row))
        try:
            rows = await database.fetch_all(statement.order_by(*order_by).limit(self.limit + 1))
        except DBAPIError as error:
            if self.after is not None and is_data_error(error):  # a made-up value that no column can hold
                raise _not_a_cursor() from None
            raise
        if len(rows) > self.limit:
            rows = rows[: self.limit]
            last_row = tuple(getattr(rows[-1], str(column.key)) for column in columns)
            cursor = base64.urlsafe_b64encode(cursor_type.dump_json(last_row)).decode()
            following = self.request.url.include_query_params(limit=self.limit, after=cursor)
            self.response.headers["Link"] = f'<{following}>; rel="next"'
        return rows


@lru_cache(64)
def _cursor_type(types: tuple[type, ...]) -> TypeAdapter[tuple[Any, ...]]:
    if object in types:
        raise TypeError("SQLAlchemy doesn't know the type of an expression to order by: give it one, type_=String say")
    return TypeAdapter(tuple[*types])  # type: ignore[valid-type]


def _is_after(
    order_by: Sequence[OrderBy], columns: Sequence[OrderBy], last_row: tuple[Any, ...]
) -> ColumnElement[bool]:
    values = [literal(value, column.type) for column, value in zip(columns, last_row, strict=True)]
    descending = [isinstance(column, UnaryExpression) and column.modifier is desc_op for column in order_by]
    if len(set(descending)) == 1:  # PostgreSQL looks a row comparison up in an index; it has none for mixed directions
        return tuple_(*columns) < tuple_(*values) if descending[0] else tuple_(*columns) > tuple_(*values)
    after = [
        column < value if down else column > value
        for column, value, down in zip(columns, values, descending, strict=True)
    ]
    equal = [column == value for column, value in zip(columns, values, strict=True)]
    first = columns[0] <= values[0] if descending[0] else columns[0] >= values[0]  # where the index is entered
    return and_(first, or_(*(and_(*equal[:number], column) for number, column in enumerate(after))))


def _not_a_cursor() -> RequestValidationError:
    message = "Not an `after` that this list handed out"
    return RequestValidationError([{"type": "value_error", "loc": ("query", "after"), "msg": message}])


async def get_page(
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    after: Annotated[
        str | None, Query(max_length=MAX_CURSOR_LENGTH, description="From the `Link` of the page before.")
    ] = None,
) -> Page:
    return Page(request, response, limit, after)


PageQuery = Annotated[Page, Depends(get_page)]
