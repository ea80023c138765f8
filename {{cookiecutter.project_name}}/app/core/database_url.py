"""Database URLs, in the forms that hosting platforms provide."""

import re
from urllib.parse import urlencode

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError


def to_asyncpg_url(url: str) -> URL:
    """Turn `postgres://`, `postgresql://` or `postgresql+asyncpg://` into SQLAlchemy's URL for asyncpg.

    libpq's `sslmode=…`, as hosting platforms write it, becomes asyncpg's `ssl=…`, which takes the same words; and
    `sslrootcert=…` and the like go into `dsn=…`, the only place where asyncpg looks for them.
    Raises ValueError for anything else.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # a ValueError would show what is in place of the port
        raise ValueError("must look like postgresql://user:password@host:5432/name") from None
    if parsed.drivername not in {"postgres", "postgresql", "postgresql+asyncpg"} or not parsed.database:
        raise ValueError("must look like postgresql://user:password@host:5432/name")
    if "@" in (parsed.host or ""):
        raise ValueError("has a second @, which must be written %40 in a password")
    query = {"ssl" if name == "sslmode" else name: value for name, value in parsed.query.items()}
    query.pop("channel_binding", None)  # asyncpg doesn't support it
    certificates = {name: query.pop(name) for name in tuple(query) if re.match("ssl.", name)}
    if unknown := query.keys() - {"ssl", "host", "port"}:
        raise ValueError(f"has unsupported parameters: {', '.join(sorted(unknown))}")
    if certificates:
        query["dsn"] = f"postgresql://?{urlencode(certificates)}"
    return parsed.set(drivername="postgresql+asyncpg", query=query)


def address(url: URL) -> str:
    """Where a database is, for messages: `host:port`."""
    return f"{url.host or 'localhost'}:{url.port or 5432}"
