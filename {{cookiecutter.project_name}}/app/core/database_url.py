"""Database URLs, in the forms that hosting platforms provide: the application, scripts and tests read them alike.

Doesn't import the settings, as scripts/databases.py and the tests read URLs before there are any.
"""

import os
import re
from pathlib import Path
from ssl import get_default_verify_paths
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

from dotenv import dotenv_values
from sqlalchemy import URL, NullPool, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

PORT: Final = 5432
_SCHEMES: Final = {"postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2"}
_SHAPE: Final = "must look like postgresql://user:password@host:5432/name"
_HOST: Final = re.compile(
    r"(?:\[(?P<bracketed>.+)\]|(?P<name>/.*|[^:\[\]]*))(?::(?P<port>\d*))?|(?P<bare>[0-9A-Fa-f.:]+)"
)
_ONE_OF: Final = {
    "pgbouncer": {"true", "false"},
    "sslmode": {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"},
    "target_session_attrs": {"any", "primary", "standby", "prefer-standby", "read-write", "read-only"},
}
# asyncpg reads these in a DSN only, and sends the last two to PostgreSQL.
_IN_DSN: Final = {
    *("passfile", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl", "sslnegotiation"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "application_name", "options"),
}
# Settings by another name; the last two are Prisma's.
_SETTINGS: Final = {
    "connect_timeout": "database_connect_timeout",
    "connection_limit": "database_pool_size",
    "pool_timeout": "database_pool_timeout",
}
# What changes nothing here: asyncpg knows no channel binding, and always speaks UTF-8.
_IGNORED: Final = re.compile(
    r"(channel_binding|fallback_application_name|keepalives\w*|sslcompression|supa|tcp_user_timeout|uselibpqcompat)=.*"
    r"|client_encoding=(?i:utf-?8|auto)|gssencmode=(disable|prefer)|schema=public|sslsni=1"
)
_LOCAL: Final = {"localhost", "127.0.0.1", "::1"}


def given(name: str, env_file: Path) -> str:
    """The variable of the environment, else of this file; empty if neither has it."""
    return os.environ[name] if name in os.environ else dotenv_values(env_file).get(name) or ""


def to_asyncpg_url(url: str) -> URL:
    """Turn a URL as hosting platforms write it into SQLAlchemy's URL for asyncpg; docs/database-urls.md lists them.

    Raises ValueError for anything else, with words that don't show the URL.
    """
    parsed = _parse(url)
    query = _parameters(parsed)
    hosts = _hosts(parsed)
    parsed = parsed.set(drivername="postgresql+asyncpg", database=unquote(parsed.database or ""), query=query)
    if len(hosts) > 1:
        several = {"host": ",".join(host for host, _ in hosts), "port": ",".join(str(port) for _, port in hosts)}
        return parsed._replace(host=None, port=None).update_query_dict(several)
    ((host, port),) = hosts
    if host.startswith("/"):  # a folder with a Unix socket
        return parsed._replace(host=None, port=port).update_query_dict({"host": host})
    # Without a port, asyncpg would look for one in the environment, and without a host for both.
    return parsed.set(host=host, port=port) if host else parsed


def ignored(url: str) -> list[str]:
    """The names of parameters that change nothing."""
    return [name for name, value in _parse(url).query.items() if _IGNORED.fullmatch(f"{name}={value}")]


def settings_in(url: str) -> dict[str, str]:
    """Settings of the application that a URL has as parameters; none if it can't be read."""
    try:
        query = _parse(url).query
    except ValueError:
        return {}
    found = {_SETTINGS[name]: str(value) for name, value in query.items() if name in _SETTINGS}
    return found | ({"database_pooler": "transaction"} if query.get("pgbouncer") == "true" else {})


def _parse(url: str) -> URL:
    # Before anything is parsed: behind an @, the rest of the password looks like a port.
    scheme, _, authority = url.partition("?")[0].partition("://")
    if authority.count("@") > 1:
        raise ValueError("has a second @, which must be written %40 in a password")
    try:
        parsed = make_url(_with_one_host(url))
    except (ArgumentError, ValueError):  # a ValueError would show what is in place of the port
        raise ValueError(_SHAPE) from None
    if scheme not in _SCHEMES or not parsed.database:
        raise ValueError(_SHAPE)
    return parsed


def _with_one_host(url: str) -> str:
    """Write `//user@a:1,b:2/name`, as libpq reads it, as `//user@/name?host=a:1,b:2`, which SQLAlchemy reads, too."""
    several = re.fullmatch(r"([^:]+://(?:[^@]*@)?)([^@/?]+,[^@/?]+)(/[^?]*)\??(.*)", url)
    return f"{several[1]}{several[3]}?host={several[2]}&{several[4]}" if several else url


def _hosts(url: URL) -> list[tuple[str, int]]:
    """The hosts, those of the query if it has any, and their ports. Without one it is empty."""
    names = ",".join(url.normalized_query.get("host", ())) or unquote(url.host or "")
    ports = ",".join(url.normalized_query.get("port", ())).split(",")
    found = [match for match in map(_HOST.fullmatch, names.split(",")) if match]
    ports = ports * len(found) if len(ports) == 1 else ports
    if len(found) != len(names.split(",")) or len(ports) != len(found) or not re.fullmatch(r"\d*", "".join(ports)):
        raise ValueError("has a host that isn't host, host:5432 or [IPv6]:5432, or not as many ports as hosts")
    return [
        (host["bracketed"] or host["name"] or host["bare"] or "", int(host["port"] or port or url.port or PORT))
        for host, port in zip(found, ports, strict=True)
    ]


def _parameters(url: URL) -> dict[str, str]:
    """asyncpg's arguments from a URL's query, without hosts and ports. Raises ValueError for what would be lost."""
    query = {"sslmode" if name == "ssl" else name: values[-1] for name, values in url.normalized_query.items()}
    meant = {*_ONE_OF, *_IN_DSN, *_SETTINGS, "host", "port"}
    if unknown := {name for name in query.keys() - meant if not _IGNORED.fullmatch(f"{name}={query[name]}")}:
        raise ValueError(f"has unsupported parameters: {', '.join(sorted(unknown))}")
    for name, values in _ONE_OF.items():
        if name in query and query[name] not in values:
            raise ValueError(f"has an unknown {name}, which is one of {', '.join(sorted(values))}")
    if query.get("sslrootcert") == "system":
        authorities = get_default_verify_paths().cafile
        if authorities is None:
            raise ValueError("has sslrootcert=system, but this system has no file of authorities: name one instead")
        query["sslrootcert"] = authorities
    in_dsn = {name: value for name, value in query.items() if name in _IN_DSN}
    names = {"sslmode": "ssl", "target_session_attrs": "target_session_attrs"}
    arguments = {names[name]: value for name, value in query.items() if name in names}
    return arguments | ({"dsn": f"postgresql://?{urlencode(in_dsn)}"} if in_dsn else {})


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
    return make_url(_with_one_host(url)).set(database=quote(name, safe="")).render_as_string(hide_password=False)


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
