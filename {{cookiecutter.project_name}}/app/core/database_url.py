"""Database URLs, in the forms that hosting platforms provide: the application, scripts and tests read them alike.

Doesn't import the settings, as scripts/databases.py and the tests read URLs before there are any.
"""

import os
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

from dotenv import dotenv_values
from sqlalchemy import URL, NullPool, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

PORT: Final = 5432
_SHAPE: Final = "must look like postgresql://user:password@host:5432/name"
_SSL_MODES: Final = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
_LOCAL: Final = {"localhost", "127.0.0.1", "::1"}


def given(name: str, env_file: Path) -> str:
    """The variable of the environment, else of this file; empty if neither has it."""
    return os.environ[name] if name in os.environ else dotenv_values(env_file).get(name) or ""


def to_asyncpg_url(url: str) -> URL:
    """Turn `postgres://`, `postgresql://` or `postgresql+asyncpg://` into SQLAlchemy's URL for asyncpg.

    libpq's `sslmode=…`, as hosting platforms write it, becomes asyncpg's `ssl=…`, which takes the same words; and
    `sslrootcert=…`, `passfile=…` and the like go into `dsn=…`, the only place where asyncpg looks for them.
    Raises ValueError for anything else, with words that don't show the URL.
    """
    # Before anything is parsed: behind an @ or a comma, the rest of the password or the next host looks like a port.
    scheme, _, authority = url.partition("?")[0].partition("://")
    if authority.count("@") > 1:
        raise ValueError("has a second @, which must be written %40 in a password")
    if "," in authority.rpartition("@")[2].partition("/")[0]:
        raise ValueError("has several hosts, which must be written ?host=first:5432&host=second:5432")
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # a ValueError would show what is in place of the port
        raise ValueError(_SHAPE) from None
    if scheme not in {"postgres", "postgresql", "postgresql+asyncpg"} or not parsed.database:
        raise ValueError(_SHAPE)
    query: dict[str, Any] = {"ssl" if name == "sslmode" else name: value for name, value in parsed.query.items()}
    query.pop("channel_binding", None)  # asyncpg doesn't support it
    in_dsn = {name: query.pop(name) for name in tuple(query) if re.match("ssl.|passfile$", name)}
    if unknown := query.keys() - {"ssl", "host", "port"}:
        raise ValueError(f"has unsupported parameters: {', '.join(sorted(unknown))}")
    if "ssl" in query and query["ssl"] not in _SSL_MODES:
        raise ValueError(f"has an unknown sslmode, which is one of {', '.join(sorted(_SSL_MODES))}")
    if in_dsn:
        query["dsn"] = f"postgresql://?{urlencode(in_dsn)}"
    host = unquote(parsed.host) if parsed.host else None
    if host and host.startswith("/"):  # a folder with a Unix socket, as libpq writes it: %2Fvar%2Frun%2Fpostgresql
        query.setdefault("host", host)
        host = None
    parsed = parsed.set(drivername="postgresql+asyncpg", query=query, database=unquote(parsed.database))
    # A host of the query wins. Without a port, asyncpg would look for one in the environment.
    parsed = parsed._replace(host=None if "host" in query else host)
    if not parsed.port and (parsed.host or "host" in query):
        parsed = parsed.set(port=PORT)
    try:
        arguments(parsed)
    except ArgumentError:
        raise ValueError("has several hosts, each of which needs its port: ?host=first:5432&host=second:5432") from None
    return parsed


def arguments(url: URL) -> dict[str, Any]:
    """The arguments of asyncpg's `connect`."""
    return dict(url.get_dialect()().create_connect_args(url)[1])


def servers(url: URL) -> list[tuple[str, int]]:
    """The hosts and ports of a URL; the host is `localhost` for this machine, whatever the URL calls it."""
    connection = arguments(url)
    host, port = connection.get("host"), connection.get("port") or PORT
    if isinstance(host, list):
        return [(_name(one), number) for one, number in zip(host, connection["port"], strict=True)]
    return [(_name(host or "localhost"), port)]


def _name(host: str) -> str:
    return "localhost" if host in _LOCAL or host.startswith("/") else host.lower()


def is_same(one: URL, other: URL) -> bool:
    """Whether two URLs lead to one database, as far as they tell."""
    return one.database == other.database and not set(servers(one)).isdisjoint(servers(other))


def renamed(url: str, name: str) -> str:
    """A URL with this database instead of its own."""
    return make_url(url).set(database=quote(name, safe="")).render_as_string(hide_password=False)


async def why_refused(url: URL) -> str | None:
    """Why the database doesn't let us in, in the driver's words; None if it does."""
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"timeout": 5})
    try:
        async with engine.connect():
            return None
    except (DBAPIError, OSError, TimeoutError, ValueError) as error:
        return str(getattr(error, "orig", None) or error).partition("\n")[0] or type(error).__name__


def address(url: URL) -> str:
    """Where a database is, for messages: `host:port`, or the folder of a socket."""
    connection = arguments(url)
    host, port = connection.get("host") or "localhost", connection.get("port") or PORT
    if isinstance(host, list):
        return ",".join(f"{name}:{number}" for name, number in zip(host, connection["port"], strict=True))
    if host.startswith("/"):
        return str(host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
