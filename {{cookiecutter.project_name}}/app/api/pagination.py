"""Keyset pagination: a page begins after a key, which an index finds at once: page 10 000 costs what page 1 costs."""

import base64
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy import ColumnExpressionArgument, Row, Select, String, Uuid, bindparam, tuple_

from app.api.errors import Documented
from app.core.database import Columns, read

DEFAULT_LIMIT = 50
MAX_LIMIT = 100
MAX_KEY_LENGTH = 2048  # 254 characters of up to 4 bytes and an id, in base64
BEGINNING = ("", uuid.UUID(int=0))  # nothing sorts before it

_LINK = {"schema": {"type": "string"}, "description": 'RFC 8288: `<…>; rel="next"` while there are more.'}
PAGED: Documented = {200: {"headers": {"Link": _LINK}}}


def paged(
    statement: Select[*Columns], text: ColumnExpressionArgument[str], row_id: ColumnExpressionArgument[uuid.UUID]
) -> Select[*Columns]:
    """Order a statement by its first two columns, a text and an id that breaks ties, and cut a page out of it."""
    after = tuple_(bindparam("after_text", type_=String()), bindparam("after_id", type_=Uuid()))
    return statement.where(tuple_(text, row_id) > after).order_by(text, row_id).limit(bindparam("one_more"))


@dataclass(frozen=True, slots=True)
class Page:
    """What a client asked for: at most `limit` rows after a text and an id."""

    request: Request
    response: Response
    limit: int
    after_text: str
    after_id: uuid.UUID

    async def fetch(self, statement: Select[*Columns], **parameters: object) -> Sequence[Row[*Columns]]:
        """The rows of this page of a statement made by `paged`. Sets the `Link` header while there are more."""
        rows = await read(
            statement, after_text=self.after_text, after_id=self.after_id, one_more=self.limit + 1, **parameters
        )
        if len(rows) > self.limit:
            rows = rows[: self.limit]
            following = self.request.url.include_query_params(limit=self.limit, after=_write_key(rows[-1]))
            self.response.headers["Link"] = f'<{following}>; rel="next"'
        return rows


def _write_key(row: Row[*tuple[Any, ...]]) -> str:
    return base64.urlsafe_b64encode(json.dumps([row[0], str(row[1])], ensure_ascii=False).encode()).decode()


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
    after: Annotated[
        str | None, Query(max_length=MAX_KEY_LENGTH, description="From the `Link` of the page before.")
    ] = None,
) -> Page:
    try:
        return Page(request, response, limit, *(BEGINNING if after is None else _read_key(after)))
    except (ValueError, TypeError, AttributeError, RecursionError):
        problem = {"type": "value_error", "loc": ("query", "after"), "msg": "Not an `after` that this list handed out"}
        raise RequestValidationError([problem]) from None


PageQuery = Annotated[Page, Depends(get_page)]
