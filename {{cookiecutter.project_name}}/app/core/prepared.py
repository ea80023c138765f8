"""Statements that many requests send: compiled once, and run by the driver itself."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from asyncpg import InterfaceError, PostgresError  # type: ignore[import-untyped]
from sqlalchemy import PoolProxiedConnection, Select
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

_DIALECT: Final = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
_NUMERIC_OID: Final = 1700  # what the driver says of a column of the type Numeric; no other type asks

Columns = tuple[Any, ...]
Returning = Select[*Columns] | ReturningInsert[*Columns] | ReturningUpdate[*Columns]


class Prepared:
    """A SELECT, or another statement with RETURNING, for `Database.fetch_prepared`: compiled like any, but once.

    An INSERT names the `columns` that its parameters are for.
    """

    def __init__(self, statement: Returning, columns: Sequence[str] | None = None) -> None:
        self.statement = statement
        compiled = statement.compile(dialect=_DIALECT, column_keys=columns)
        self._sql, self._constants = str(compiled), compiled.params
        types = {name: parameter.type.dialect_impl(_DIALECT) for parameter, name in compiled.bind_names.items()}
        self._parameters = [(name, types[name].bind_processor(_DIALECT)) for name in compiled.positiontup or ()]
        returned = {column.name: column.type.dialect_impl(_DIALECT) for column in statement.exported_columns}
        processors = {name: type_.result_processor(_DIALECT, _NUMERIC_OID) for name, type_ in returned.items()}
        self._processors = {name: process for name, process in processors.items() if process}

    async def fetch_one(
        self, connection: PoolProxiedConnection, parameters: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """The first row, by its columns' names; the connection goes back to its pool. Raises what SQLAlchemy would."""
        driver: Any = connection.driver_connection
        given = self._constants | dict(parameters)
        try:
            values = [process(given[name]) if process else given[name] for name, process in self._parameters]
            record = await driver.fetchrow(self._sql, *values)
        except asyncio.CancelledError:
            connection.invalidate()  # a response may still come
            raise
        except (PostgresError, InterfaceError) as error:
            raise DBAPIError(None, None, error, connection_invalidated=driver.is_closed()) from error
        finally:
            connection.close()
        if record is None:
            return None
        row = dict(record)
        for name, process in self._processors.items():
            row[name] = process(row[name])
        return row
