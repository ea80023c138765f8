"""What to make of a database that fails: whether it is an outage, and what to tell the operator."""

from socket import gaierror
from typing import Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.core.config import settings

# SQLSTATEs for which the same request may well succeed in a moment: connection lost, read-only after a failover, rolled
# back in favour of a rival, out of resources, lock not available, stopped by an operator or a time limit; and a table
# that isn't there before `make migrate`.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_PASSING: Final = ("08", "25006", "40", "53", "55P03", "57", "42P01")


# A wrong name or password, and no such database: no request can be served, but waiting does not help.
_REFUSED: Final = ("28", "3D")


def is_outage(error: Exception) -> bool:
    """Whether an error says that the database can't serve now, rather than that the statement is wrong."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _sqlstate(error).startswith(_PASSING + _REFUSED)
    return isinstance(error, OSError | TimeoutError | PoolTimeoutError)


def is_refusal(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and _sqlstate(error).startswith(_REFUSED)


def is_data_error(error: DBAPIError) -> bool:
    """Whether a value is none that its column or PostgreSQL can hold."""
    return _sqlstate(error).startswith("22")


def _sqlstate(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", ""))


def reason(error: Exception) -> str:
    """What to say of an error, in one line, and what mends it where somebody has to."""
    words = str(getattr(error, "orig", None) or error).partition("\n")[0]
    words = words or type(error).__name__  # a TimeoutError has none
    if is_refusal(error):
        return f"{words}: see DATABASE_URL"
    if isinstance(error, DBAPIError) and _sqlstate(error) == "42P01":
        return f"{words}: `make migrate` or `bash init.sh` applies the migrations"
    if isinstance(error, ConnectionError | gaierror):
        return f"{settings.database_address} does not answer ({words}): `make databases` starts those of .env"
    return words
