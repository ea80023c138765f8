"""Cleans up tables whose rows expire."""

from datetime import datetime

from sqlalchemy import CTE, delete, func, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute


def expired_rows(expires_at: InstrumentedAttribute[datetime]) -> CTE:
    """Delete a few rows that have expired: `insert(…).add_cte(expired_rows(Model.expires_at))`.

    A table whose rows expire has this in every INSERT, and needs no other clean-up.
    """
    model = expires_at.class_
    key = model.__mapper__.primary_key
    # Skips rows that others have locked: it never waits, so it can't be part of a deadlock.
    few = select(*key).where(expires_at < func.now()).order_by(expires_at).limit(10).with_for_update(skip_locked=True)
    return delete(model).where(tuple_(*key).in_(few)).cte(f"expired_{model.__tablename__}")
