"""What `make migration` compares with the database, and what Alembic doesn't write by itself: schemas and enum types.

Alembic creates an enum type with each table that uses it (twice is an error), but with no column, and never drops one.
So here each migration begins with what it needs and ends with what it no longer needs, both ways.
"""

from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import chain
from typing import Any, Final, Literal

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Enum, MetaData, inspect
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import CreateEnumType, DropEnumType
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.postgresql.base import PGInspector
from sqlalchemy.schema import CreateSchema, DropSchema, ExecutableDDLElement
from sqlalchemy.types import TypeEngine

from app.core.config import PROJECT_DIR
from app.models import Base

_DIALECT: Final = PGDialect_asyncpg()  # type: ignore[no-untyped-call]


def load_models() -> MetaData:
    """Import the application and, below app/, every module `models` and every module of a package `models`.

    So a model counts wherever it lies, whether or not a route uses it yet.
    """
    import_module("app.main")
    app = PROJECT_DIR / "app"
    for path in sorted(chain(app.rglob("models.py"), app.rglob("models/**/*.py"))):
        parts = path.relative_to(PROJECT_DIR).with_suffix("").parts
        if "tests" not in parts:
            import_module(".".join(parts).removesuffix(".__init__"))
    return Base.metadata


def render_enum(kind: str, item: object, context: AutogenContext) -> str | Literal[False]:
    """Alembic's `render_item`: an enum that leaves the creation of its type to the migration."""
    if kind != "type" or not isinstance(item, Enum) or not item.native_enum:
        return False
    context.imports.add("from sqlalchemy.dialects import postgresql")
    schema = f", schema={item.schema!r}" if item.schema else ""
    values = "".join(f"{value!r}, " for value in item.enums)
    return f"postgresql.ENUM({values}name={item.name!r}{schema}, create_type=False)"


def add_schemas_and_enums(context: MigrationContext, _: object, scripts: list[ops.MigrationScript]) -> None:
    """Alembic's `process_revision_directives`."""
    database = inspect(context.connection)
    assert isinstance(database, PGInspector)  # noqa: S101
    existing = {(enum["schema"], enum["name"]) for enum in database.get_enums(schema="*")}
    default_schema = database.default_schema_name
    wanted = _enums(column.type for table in Base.metadata.tables.values() for column in table.columns)

    def difference(needed: Enums, others: Iterable[tuple[str | None, str]]) -> list[postgresql.ENUM]:
        known = set(others)
        return [enum for (schema, name), enum in needed.items() if (schema or default_schema, name) not in known]

    for script in scripts:
        assert script.upgrade_ops is not None  # noqa: S101
        assert script.downgrade_ops is not None  # noqa: S101
        up, down = script.upgrade_ops, script.downgrade_ops
        new = difference(_enums(_types(up.ops)), existing)
        old = difference(_enums(_types(down.ops)), ((schema or default_schema, name) for schema, name in wanted))
        schemas = sorted(_schemas(up.ops) - {*database.get_schema_names()})
        up.ops = [*_execute(map(CreateSchema, schemas)), *_create(new), *up.ops, *_drop(old)]
        down.ops = [*_create(old), *down.ops, *_drop(new), *_execute(map(DropSchema, schemas))]


Enums = dict[tuple[str | None, str], postgresql.ENUM]


def _enums(types: Iterable[TypeEngine[Any]]) -> Enums:
    """PostgreSQL's enum types among these, by schema and name."""
    enums = (type_.dialect_impl(_DIALECT) for type_ in (getattr(type_, "item_type", type_) for type_ in types))
    return {
        (enum.schema, str(enum.name)): enum for enum in enums if isinstance(enum, postgresql.ENUM) and enum.create_type
    }


def _types(operations: Iterable[ops.MigrateOperation]) -> Iterator[TypeEngine[Any]]:
    """The types of all columns that these operations leave."""
    for operation in operations:
        match operation:
            case ops.OpContainer():
                yield from _types(operation.ops)
            case ops.CreateTableOp():
                yield from (column.type for column in operation.columns if isinstance(column, Column))
            case ops.AddColumnOp():
                yield operation.column.type
            case ops.AlterColumnOp(modify_type=TypeEngine() as type_):
                yield type_


def _schemas(operations: Iterable[ops.MigrateOperation]) -> set[str]:
    return {
        operation.schema for operation in operations if isinstance(operation, ops.CreateTableOp) and operation.schema
    }


class _Execute(ops.ExecuteSQLOp):
    def to_diff_tuple(self) -> tuple[str, str]:  # for `alembic check`
        return "execute", str(self.sqltext)


def _execute(statements: Iterable[ExecutableDDLElement]) -> list[_Execute]:
    # op.execute would take :name, which a value may have in it, for a parameter.
    compiled = (str(statement.compile(dialect=_DIALECT)) for statement in statements)
    return [_Execute(sql.replace(":", r"\:")) for sql in compiled]


def _create(enums: Iterable[postgresql.ENUM]) -> list[_Execute]:
    return _execute(map(CreateEnumType, enums))


def _drop(enums: Iterable[postgresql.ENUM]) -> list[_Execute]:
    return _execute(map(DropEnumType, enums))
