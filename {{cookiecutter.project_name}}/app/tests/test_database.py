"""What `Database` promises: statements by themselves are committed, sessions when they say so."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import pytest
from sqlalchemy import (
    JSON,
    DateTime,
    Enum,
    Interval,
    Numeric,
    String,
    bindparam,
    cast,
    delete,
    false,
    func,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, aliased, mapped_column

from app.core.config import settings
from app.core.database import Database, database
from app.core.prepared import Prepared
from app.models import KnownClient, RateLimit, User
from app.tests.helpers import waiting_for_locks

ANA, BOB = "ana@example.com", "bob@example.com"


class Kind(StrEnum):
    DOG = "dog"


async def with_idle_connection() -> Database:
    """A database with a pool of its own, in which one connection is idle."""
    own = Database(settings.sqlalchemy_url)
    await own.fetch_one(select(func.now()))
    return own


async def emails(session: AsyncSession) -> Sequence[str]:
    return (await session.scalars(select(User.email).order_by(User.email))).all()


async def test_each_statement_commits_by_itself(session: AsyncSession) -> None:
    user = User(ANA, "hash")
    await database.insert(user)
    assert await emails(session) == [ANA]

    changed = await database.fetch_one(update(User).values(email=BOB).returning(User.id))
    assert changed
    assert changed.id == user.id
    assert await emails(session) == [BOB]

    assert await database.execute(delete(User).where(User.id == user.id)) == 1
    assert await database.execute(delete(User).where(User.id == user.id)) == 0
    assert await emails(session) == []


async def test_an_inserted_object_has_what_the_database_filled_in(session: AsyncSession) -> None:
    user = User(ANA, "hash")
    await database.insert(user)
    assert user.created_at == await session.scalar(select(User.created_at))


async def test_an_inserted_object_has_the_defaults_that_sqlalchemy_makes(session: AsyncSession) -> None:
    class OwnBase(MappedAsDataclass, DeclarativeBase):
        pass

    class Account(OwnBase):
        __tablename__ = "users"
        id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
        email: Mapped[str]
        hashed_password: Mapped[str]
        email_verified_at: Mapped[datetime | None] = mapped_column(
            DateTime(timezone=True), insert_default=lambda: datetime(2030, 1, 1, tzinfo=UTC), init=False
        )

    own = await with_idle_connection()
    account = Account(uuid.uuid4(), ANA, "hash")
    await own.insert(account)  # type: ignore[arg-type]
    await own.dispose()
    assert account.email_verified_at == datetime(2030, 1, 1, tzinfo=UTC)
    assert await session.scalar(select(User.email_verified_at)) == account.email_verified_at


async def test_a_failed_insert_gives_its_connection_back(session: AsyncSession, default_user: User) -> None:
    for _ in range(settings.database_pool_size + 1):
        with pytest.raises(IntegrityError):
            await database.insert(User(default_user.email, "hash"))
    assert database.connections_in_use == 0
    own = await with_idle_connection()
    with pytest.raises(IntegrityError):
        await own.insert(KnownClient(uuid.uuid4(), b"client", datetime(2030, 1, 1, tzinfo=UTC)))
    assert own.connections_in_use == 0
    await own.dispose()


async def test_objects_are_refused_in_words(session: AsyncSession, default_user: User) -> None:
    """A type checker takes the rows for objects; they would be columns."""
    words = r"no User objects: .*session: DbSession"
    with pytest.raises(TypeError, match=words):
        await database.fetch_all(select(User))
    with pytest.raises(TypeError, match=words):
        await database.fetch_one(select(User.id, aliased(User)))
    assert await database.fetch_one(select(*User.__table__.columns))
    assert await database.fetch_one(select(User.__table__))


async def test_fetch_one_returns_the_first_row_or_none(session: AsyncSession) -> None:
    session.add_all(User(email, "hash") for email in (BOB, ANA))
    await session.commit()
    first = select(User.email).order_by(User.email)
    assert await database.fetch_one(first) == (ANA,)
    assert await database.fetch_one(first.where(User.email == "nobody@example.com")) is None


async def test_a_session_commits_when_it_says_so(session: AsyncSession) -> None:
    async with database.session() as other:
        other.add(User(ANA, "hash"))
        await other.flush()
        assert await emails(session) == []
        await other.rollback()
        other.add(User(BOB, "hash"))
        await other.commit()
    await session.rollback()
    assert await emails(session) == [BOB]


async def test_a_process_takes_no_more_connections_than_the_pool_has(session: AsyncSession) -> None:
    own = Database(settings.sqlalchemy_url)
    await session.execute(text("LOCK TABLE rate_limits IN ACCESS EXCLUSIVE MODE"))
    reads = [asyncio.create_task(own.fetch_one(select(RateLimit.resets_at))) for _ in range(20)]
    await waiting_for_locks(settings.database_pool_size)
    most = own.connections_in_use
    await session.rollback()
    while not all(read.done() for read in reads):
        most = max(most, own.connections_in_use)
        await asyncio.sleep(0)
    await own.dispose()
    assert most == settings.database_pool_size


async def test_an_object_that_leaves_nothing_to_the_database_can_be_inserted(session: AsyncSession) -> None:
    await database.insert(RateLimit(b"key", datetime(2030, 1, 1, tzinfo=UTC)))
    assert await session.scalar(select(RateLimit.resets_at)) == datetime(2030, 1, 1, tzinfo=UTC)


async def test_a_statement_is_repeated_on_another_connection_only_if_it_just_reads(
    session: AsyncSession, default_user: User
) -> None:
    await session.execute(text("CREATE SEQUENCE attempts"))  # it keeps counting what is rolled back
    await session.commit()
    ends = func.pg_terminate_backend(func.pg_backend_pid())
    breaks = select(func.nextval("attempts"), ends)
    ended = delete(User).returning(User.id).cte("ended")
    reads_the_deleted = breaks.add_columns(select(func.count()).select_from(ended).scalar_subquery())
    for statement, attempts in [(breaks, 2), (breaks.add_cte(ended), 3), (reads_the_deleted, 4)]:
        with pytest.raises(DBAPIError):
            await database.fetch_all(statement)
        assert await session.scalar(text("SELECT last_value FROM attempts")) == attempts
    # A prepared one begins on an idle connection, and goes on as any other.
    writes = update(User).values(email=cast(func.nextval("attempts"), String)).returning(ends)
    for prepared, attempts in [(Prepared(breaks), 7), (Prepared(writes), 8)]:
        own = await with_idle_connection()
        with pytest.raises(DBAPIError):
            await own.fetch_prepared(prepared, {})
        assert await session.scalar(text("SELECT last_value FROM attempts")) == attempts
        await own.dispose()
    await session.execute(text("DROP SEQUENCE attempts"))
    await session.commit()


async def test_a_prepared_statement_returns_the_types_of_its_columns(application: None) -> None:
    own = Database(settings.sqlalchemy_url)
    statement = select(
        cast("1.50", Numeric(5, 2)).label("price"),
        cast({"a": [1]}, JSON).label("extra"),
        cast(Kind.DOG, Enum(Kind, native_enum=False)).label("kind"),
        bindparam("given", type_=Interval()).label("given"),
    )
    expected = {"price": Decimal("1.50"), "extra": {"a": [1]}, "kind": Kind.DOG, "given": timedelta(days=1)}
    for _ in range(3):  # without a connection, and with an idle one
        assert await own.fetch_prepared(Prepared(statement), {"given": timedelta(days=1)}) == expected
    assert await own.fetch_prepared(Prepared(statement.where(false())), {"given": timedelta(days=1)}) is None
    await own.dispose()


async def test_the_connection_of_a_cancelled_statement_is_replaced(session: AsyncSession) -> None:
    """A response may still come on it; and a server that doesn't respond at all would keep the next request waiting."""
    own = Database(settings.sqlalchemy_url)
    pid = Prepared(select(func.pg_backend_pid().label("pid")))
    used = await own.fetch_prepared(pid, {})
    await session.execute(text("LOCK TABLE rate_limits IN ACCESS EXCLUSIVE MODE"))
    read = asyncio.create_task(own.fetch_prepared(Prepared(select(RateLimit.resets_at)), {}))
    await waiting_for_locks(1)
    read.cancel()
    with pytest.raises(asyncio.CancelledError):
        await read
    assert own.connections_in_use == 0
    assert await own.fetch_prepared(pid, {}) not in (used, None)
    await own.dispose()
