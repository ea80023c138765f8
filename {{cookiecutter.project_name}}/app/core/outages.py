"""How to treat a database error: whether it is an outage, and what to tell the operator."""

from socket import gaierror
from typing import Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.core.config import settings

# SQLSTATEs after which the same request may well succeed in a moment: connection lost, read-only after a failover,
# rolled back in favour of another transaction, out of resources, lock not available, stopped by an operator or a time
# limit; and a table that doesn't exist until `make migrate`.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_PASSING: Final = ("08", "25006", "40", "53", "55P03", "57", "42P01")
# A wrong name or password, or no such database: no request can be served, and waiting doesn't help.
_REFUSED: Final = ("28", "3D")


def is_outage(error: Exception) -> bool:
    """Whether an error means that the database is unavailable, rather than that the statement is wrong."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _sqlstate(error).startswith(_PASSING + _REFUSED)
    return isinstance(error, OSError | TimeoutError | PoolTimeoutError)


def is_refusal(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and _sqlstate(error).startswith(_REFUSED)


def is_data_error(error: DBAPIError) -> bool:
    """Whether an error means that the column, or PostgreSQL at all, can't hold a value."""
    return _sqlstate(error).startswith("22")


def _sqlstate(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", ""))


def reason(error: Exception) -> str:
    """Describe an error in one line, with the fix if somebody has to do something."""
    words = str(getattr(error, "orig", None) or error).partition("\n")[0]
    words = words or type(error).__name__  # a TimeoutError has no text
    if is_refusal(error):
        return f"{words}: see DATABASE_URL"
    if isinstance(error, DBAPIError) and _sqlstate(error) == "42P01":
        return f"{words}: `make migrate` or `bash init.sh` applies the migrations"
    if isinstance(error, ConnectionError | gaierror):
        return f"{settings.database_address} doesn't respond ({words}): `make databases` starts the databases of .env"
    return words
