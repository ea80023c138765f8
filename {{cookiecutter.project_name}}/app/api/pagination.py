"""Keyset pagination: a page begins after the last row of the previous one, which an index finds at once.

Page 10,000 costs what page 1 costs. The library for this, sqlakeyset, needs a session for each page, with which a
small list takes 1.2 times as long.
"""

import base64
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, TypeVar, TypeVarTuple
from urllib.parse import quote

from fastapi import Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Row, Select, UnaryExpression, and_, literal, or_, tuple_
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.operators import desc_op

from app.api.deps import Autocommit
from app.api.oauth_errors import Documented
from app.core.database import Database
from app.core.outages import is_data_error

Columns = TypeVarTuple("Columns")
Entity = TypeVar("Entity")
Found = TypeVar("Found")
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

    async def fetch(self, statement: Select[*Columns], *order_by: Column) -> Sequence[Row[*Columns]]:
        """Fetch the rows of this page, in this order. Sets the `Link` header if there are more.

        Order by columns of the statement that are never NULL, each ascending or `.desc()`, the last one unique. An
        index on the same columns makes any page one range of it.
        """
        return await self._fetch(self.database.fetch_all, statement, order_by)

    async def fetch_objects(
        self, session: AsyncSession, statement: Select[Entity], *order_by: Column
    ) -> Sequence[Entity]:
        """The same for objects: `select(Pet).options(selectinload(Pet.toys))` takes two statements for any page."""

        async def fetch_all(page: Select[Entity]) -> Sequence[Entity]:
            return (await session.scalars(page)).all()

        return await self._fetch(fetch_all, statement, order_by)

    async def _fetch(
        self,
        fetch_all: Callable[[Select[*Columns]], Awaitable[Sequence[Found]]],
        statement: Select[*Columns],
        order_by: Sequence[Column],
    ) -> Sequence[Found]:
        page = statement.order_by(*order_by).limit(self.limit + 1)
        try:
            if self.after is not None:
                after = base64.b64decode(self.after, altchars=b"-_", validate=True)
                page = page.where(_is_after(_cursor_type(order_by).validate_json(after), order_by))
            rows = await fetch_all(page)
        except (ValueError, DBAPIError) as error:
            if self.after is None or (isinstance(error, DBAPIError) and not is_data_error(error)):
                raise
            message = "Not a cursor of this list"
            problem = {"type": "value_error", "loc": ("query", "after"), "msg": message}
            raise RequestValidationError([problem]) from None
        if len(rows) > self.limit:
            rows = rows[: self.limit]
            self.response.headers["Link"] = f'<{self._following(rows[-1], order_by)}>; rel="next"'
        return rows

    def _following(self, last_row: object, order_by: Sequence[Column]) -> str:
        """Without a host: behind a proxy, ours isn't the client's (RFC 8288 section 3.1 takes relative references)."""
        values = tuple(getattr(last_row, str(column.key)) for column in map(_undirected, order_by))
        cursor = base64.urlsafe_b64encode(_cursor_type(order_by).dump_json(values)).decode()
        url = self.request.url.include_query_params(limit=self.limit, after=cursor)
        return f"{quote(self.request.scope['path'])}?{url.query}"


def _undirected(column: Column) -> Column:
    return column.element if isinstance(column, UnaryExpression) else column


def _is_descending(column: Column) -> bool:
    return isinstance(column, UnaryExpression) and column.modifier is desc_op


def _cursor_type(order_by: Sequence[Column]) -> TypeAdapter[tuple[Any, ...]]:
    return _tuple_type(tuple(_undirected(column).type.python_type for column in order_by))


@lru_cache(64)
def _tuple_type(types: tuple[type, ...]) -> TypeAdapter[tuple[Any, ...]]:
    if object in types:
        raise TypeError("SQLAlchemy doesn't know the type of an expression to order by: give it one, as type_=String")
    return TypeAdapter(tuple[*types])  # type: ignore[valid-type]


def _is_after(last_row: tuple[Any, ...], order_by: Sequence[Column]) -> ColumnElement[bool]:
    columns = [_undirected(column) for column in order_by]
    values = [literal(value, column.type) for column, value in zip(columns, last_row, strict=True)]
    descending = [_is_descending(column) for column in order_by]
    if len(set(descending)) == 1:  # an index serves a row comparison, which can't mix directions
        return tuple_(*columns) < tuple_(*values) if descending[0] else tuple_(*columns) > tuple_(*values)
    after = [
        column < value if is_descending else column > value
        for column, value, is_descending in zip(columns, values, descending, strict=True)
    ]
    equal = [column == value for column, value in zip(columns, values, strict=True)]
    start = columns[0] <= values[0] if descending[0] else columns[0] >= values[0]  # where to enter the index
    return and_(start, or_(*(and_(*equal[:number], comparison) for number, comparison in enumerate(after))))


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
