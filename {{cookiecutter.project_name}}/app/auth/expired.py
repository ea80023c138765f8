"""Housekeeping of tables whose rows expire."""

from datetime import datetime
from typing import Any

from sqlalchemy import Delete, delete, func, select
from sqlalchemy.orm import InstrumentedAttribute


def delete_expired(key: InstrumentedAttribute[Any], expires_at: InstrumentedAttribute[datetime]) -> Delete:
    """Delete a few rows that have expired and that nobody else is deleting.

    Run with every INSERT, it is all the housekeeping that a table of passing things needs.
    """
    few = select(key).where(expires_at < func.now()).order_by(expires_at).limit(10).with_for_update(skip_locked=True)
    return delete(key.class_).where(key.in_(few))
