"""Bulk insert and upsert."""

from datetime import datetime
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.exchange_rates import insert_rates, upsert_rates
from app.models import ExchangeRate

MANY = {f"{number:03d}": Decimal(number) for number in range(1000)}


async def stored(session: AsyncSession) -> dict[str, Decimal]:
    rows = await session.execute(select(ExchangeRate.currency, ExchangeRate.per_euro))
    return {row.currency: row.per_euro for row in rows}


async def times(session: AsyncSession) -> dict[str, datetime]:
    rows = await session.execute(select(ExchangeRate.currency, ExchangeRate.updated_at))
    await session.commit()  # so that now() goes on
    return {row.currency: row.updated_at for row in rows}


async def test_bulk_insert_stores_all_or_nothing(session: AsyncSession) -> None:
    await insert_rates(session, MANY)
    await session.commit()
    assert await stored(session) == MANY

    with pytest.raises(IntegrityError):
        await insert_rates(session, {"XXX": Decimal(1), "001": Decimal(1)})
    await session.rollback()
    assert await stored(session) == MANY


async def test_upsert_changes_what_differs_and_nothing_else(session: AsyncSession) -> None:
    await insert_rates(session, {"USD": Decimal("1.10"), "JPY": Decimal(160)})
    await session.commit()
    before = await times(session)

    await upsert_rates(session, {"USD": Decimal("1.20"), "JPY": Decimal(160), "CHF": Decimal("0.9")})
    await session.commit()

    assert await stored(session) == {"USD": Decimal("1.20"), "JPY": Decimal(160), "CHF": Decimal("0.9")}
    after = await times(session)
    assert after["USD"] > before["USD"]
    assert after["JPY"] == before["JPY"]
