"""One reader for each database URL: the application, Alembic, the tests and scripts/databases.py take the same ones."""

import asyncio
import contextlib
import re
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qsl, quote

import pytest
from sqlalchemy import URL, text

import conftest
from app.core.config import PROJECT_DIR, Settings, load, settings
from app.core.database import Database
from app.core.database_url import (
    address,
    arguments,
    ignored,
    renamed,
    servers,
    settings_in,
    to_asyncpg_url,
    why_refused,
)
from app.tests.other_settings import other_application, refusal

sys.path.append(str(PROJECT_DIR / "scripts"))
import databases

UNDERSTOOD = {
    "postgresql://ana:x@db.example:6543/test": ("db.example:6543", "ana", "x", "test"),
    "postgres://ana:x@db.example/test": ("db.example:5432", "ana", "x", "test"),
    "postgresql+asyncpg://ana:x@db.example/test": ("db.example:5432", "ana", "x", "test"),
    "postgresql://ana@db.example/test": ("db.example:5432", "ana", None, "test"),
    "postgresql://db.example/test": ("db.example:5432", None, None, "test"),
    "postgresql:///test": ("localhost:5432", None, None, "test"),
    "postgresql://ana:x@[2001:db8::1]/test": ("[2001:db8::1]:5432", "ana", "x", "test"),
    "postgresql://ana:x@[::1]:6543/test": ("[::1]:6543", "ana", "x", "test"),
    "postgresql://ana:p%40s%2Fs%25@db.example/test": ("db.example:5432", "ana", "p@s/s%", "test"),
    "postgresql://ana:p/s#s?@db.example/test": ("db.example:5432", "ana", "p/s#s?", "test"),
    "postgresql://an%20a:x@db.example/my%20test": ("db.example:5432", "an a", "x", "my test"),
    "postgresql://ana:x@/test?host=/run/postgresql": ("/run/postgresql", "ana", "x", "test"),
    "postgresql:///test?host=/run/postgresql&port=6543": ("/run/postgresql", None, None, "test"),
    "postgresql://ana@%2Frun%2Fpostgresql/test": ("/run/postgresql", "ana", None, "test"),
    "postgresql://ana@localhost/test?host=db.example": ("db.example:5432", "ana", None, "test"),
    "postgresql://ana:x@/test?host=db.example:6543": ("db.example:6543", "ana", "x", "test"),
    "postgresql://ana@/test?host=a:1&host=b:2": ("a:1,b:2", "ana", None, "test"),
    "postgresql://ana@/test?host=a,b&port=1,2": ("a:1,b:2", "ana", None, "test"),
    "postgresql://ana:p,x@a,b:2/test": ("a:5432,b:2", "ana", "p,x", "test"),
    "postgresql://[2001:db8::1]:1,b/test?sslmode=require": ("2001:db8::1:1,b:5432", None, None, "test"),
    "postgresql://ana@db.example/test?sslmode=require": ("db.example:5432", "ana", None, "test"),
}
REFUSED = {
    "xyzzy": "must look like postgresql://user:password@host:5432/name",
    "mysql://ana:xyzzy@db.example/test": "must look like postgresql://",
    "postgresql://ana:xyzzy@db.example": "must look like postgresql://",
    "postgresql://ana:xyzzy@db.example:port/test": "must look like postgresql://",
    "postgresql://ana:xy@zzy@db.example/test": "has a second @, which must be written %40 in a password",
    "postgresql://ana:xy@zz:y@db.example:5432/test": "has a second @",  # zz is no host, nor is the rest a port
    "postgresql://ana:xy@z/zy@db.example/test": "has a second @",
    "postgresql://ana@/test?host=a:1&host=b:xyzzy": "has a host that isn't host, host:5432 or [IPv6]:5432",
    "postgresql://ana@a,b:xyzzy/test": "has a host that isn't",
    "postgresql://ana@a,b/test?port=1,2,3": "or not as many ports as hosts",
    "postgresql://ana@db.example/test?sslmode=no-verify": "has an unknown sslmode",
}


@pytest.mark.parametrize(("written", "read"), UNDERSTOOD.items())
def test_every_reader_understands_a_url_alike(
    monkeypatch: pytest.MonkeyPatch, written: str, read: tuple[str, str | None, str | None, str]
) -> None:
    url = to_asyncpg_url(written)
    assert (address(url), url.username, url.password, url.database) == read
    monkeypatch.setenv("TEST_DATABASE_URL", written)
    assert load(Settings).sqlalchemy_url == load(Settings).migration_url == url
    assert databases.read_url("TEST_DATABASE_URL") == url
    assert to_asyncpg_url(renamed(written, "a test%41")) == url.set(database="a test%41")

    async def refuse(seen: URL) -> str:
        return f"seen as {arguments(seen)}"

    monkeypatch.setattr(conftest, "why_refused", refuse)
    with pytest.raises(SystemExit) as exit_info:
        conftest.database_of_tests()
    assert f"TEST_DATABASE_URL is unavailable at {address(url)} (seen as {arguments(url)})" in str(exit_info.value)


@pytest.mark.parametrize(("written", "words"), REFUSED.items())
def test_every_reader_refuses_a_url_in_the_same_words(
    monkeypatch: pytest.MonkeyPatch, written: str, words: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as error:
        to_asyncpg_url(written)
    line = f"TEST_DATABASE_URL: {error.value}"
    message = refusal(monkeypatch, TEST_DATABASE_URL=written)
    assert f"\n  {line}" in message
    for read in (lambda: databases.read_url("TEST_DATABASE_URL"), conftest.database_of_tests):
        with pytest.raises(SystemExit) as exit_info:
            read()
        assert str(exit_info.value) == line
    assert "zzy" not in message


ROWS = re.findall(r"^\| `(.+?)` \| (.+?) \|$", (PROJECT_DIR / "docs/database-urls.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize(("url", "effect"), ROWS)
def test_a_url_does_what_the_page_says(url: str, effect: str) -> None:
    if effect.startswith("Refused: "):
        with pytest.raises(ValueError, match=re.escape(effect.removeprefix("Refused: "))):
            to_asyncpg_url(url)
        return
    named = re.findall(r"`(.+?)`", effect)
    to_driver = arguments(to_asyncpg_url(url))
    to_driver |= dict(parse_qsl(str(to_driver.pop("dsn", "")).partition("?")[2]))
    match effect.partition(" ")[0]:
        case "Leads":
            assert address(to_asyncpg_url(url)) == named[0]
        case "Tells":
            assert dict(name.split("=", 1) for name in named).items() <= to_driver.items()
        case "Sets":
            assert {f"{name.upper()}={value}" for name, value in settings_in(url).items()} == set(named)
        case "Ignores":
            assert ignored(url) == [name for name in named if "=" not in name]
    assert bool(settings_in(url)) == effect.startswith("Sets")
    assert bool(ignored(url)) == effect.startswith("Ignores")


def test_the_systems_authorities_are_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = "postgresql://db.example/app?sslmode=verify-full&sslrootcert=system"
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authorities"))
    with pytest.raises(ValueError, match="this system has no file of authorities"):
        to_asyncpg_url(url)
    (tmp_path / "authorities").touch()
    assert quote(str(tmp_path / "authorities"), safe="") in str(arguments(to_asyncpg_url(url))["dsn"])


async def test_what_a_url_says_reaches_postgresql() -> None:
    here = settings.sqlalchemy_url
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    user = f"{here.username}:{quote(str(here.password), safe='')}"
    hosts = f"postgresql://{user}@127.0.0.1:{nobody},{here.host}:{here.port}/{here.database}"
    options = "options=-c%20search_path%3Dshop&application_name=web"
    database = Database(to_asyncpg_url(f"{hosts}?target_session_attrs=read-write&{options}"))
    async with database.probe() as connection:
        found = [await connection.scalar(text(f"SHOW {name}")) for name in ("search_path", "application_name")]
    assert found == ["shop", "web"]
    refusal = await why_refused(here.update_query_dict({"target_session_attrs": "standby"}))
    assert refusal is not None
    assert "None of the hosts match the target attribute requirement" in refusal
    await database.dispose()


async def test_a_url_sets_settings_and_the_log_says_what_it_ignores(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    url = "postgresql://ana:xyzzy@db.example/app?pgbouncer=true&connect_timeout=15&channel_binding=require&keepalives=1"
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("DATABASE_POOLER", "none")
    found = load(Settings)
    assert (found.database_pooler, found.database_connect_timeout) == ("transaction", 15)
    async with other_application(DATABASE_URL=url, LOG_LEVEL="INFO") as app, app.router.lifespan_context(app):
        pass
    (line,) = [line for line in capfd.readouterr().out.splitlines() if "DATABASE_URL" in line]
    assert "change nothing: channel_binding, keepalives." in line


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("postgresql://ana@db.example/app", "db.example:5432"),
        ("postgresql://[2001:db8::1]/app", "[2001:db8::1]:5432"),
        ("postgresql:///app?host=a:1&host=localhost:2", "a:1,localhost:2"),
    ],
)
def test_make_databases_leaves_other_machines_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, where: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    databases.start()
    assert f"DATABASE_URL: left alone, {where} is another machine." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("postgresql://ana@127.0.0.1:1/app", "127.0.0.1:1"),
        ("postgresql://127.0.0.1:1/app", "127.0.0.1:1"),
        ("postgresql://ana:x@[::1]:1/app", "[::1]:1"),
        ("postgresql:///app?host=/nowhere", "/nowhere"),
    ],
)
def test_make_databases_says_what_it_can_not_start(monkeypatch: pytest.MonkeyPatch, url: str, where: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(SystemExit) as exit_info:
        databases.start()
    assert str(exit_info.value).startswith(f"DATABASE_URL is unavailable at {where} (")
    assert "Start that database or, to have one started, write postgresql://user:password@" in str(exit_info.value)


async def test_a_url_needs_no_password_where_a_passfile_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = settings.sqlalchemy_url
    passfile = tmp_path / "pgpass"
    passfile.touch(mode=0o600)
    passfile.write_text(f"{here.host}:{here.port}:*:{here.username}:{here.password}\n")
    url = f"postgresql://{here.username}@{here.host}:{here.port}/{here.database}"
    assert await works(f"{url}?passfile={quote(str(passfile))}")
    monkeypatch.setenv("PGPASSFILE", str(passfile))
    assert await works(url)


async def test_a_unix_socket_leads_to_a_database(socket_folder: str) -> None:
    here = settings.sqlalchemy_url
    user = f"{here.username}:{quote(str(here.password), safe='')}"
    for url in (
        f"postgresql://{user}@/{here.database}?host={socket_folder}",
        f"postgresql://{user}@{quote(socket_folder, safe='')}/{here.database}",
    ):
        assert await works(url)
        assert servers(to_asyncpg_url(url)) == [("localhost", 5432)]


async def works(url: str) -> bool:
    """Whether `make databases` and the application get in."""
    assert await why_refused(to_asyncpg_url(url)) is None
    database = Database(to_asyncpg_url(url))
    async with database.session() as session:
        name = await session.scalar(text("SELECT current_database()"))
    await database.dispose()
    return bool(name == settings.sqlalchemy_url.database)


@pytest.fixture
async def socket_folder(application: None) -> AsyncIterator[str]:
    """A folder with a Unix socket of the tests' database, which listens on a port only."""
    here = settings.sqlalchemy_url

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(here.host, here.port)
        await asyncio.gather(copy(reader, back), copy(there, writer))

    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # a longer path would be too long for a socket
        async with await asyncio.start_unix_server(serve, f"{folder}/.s.PGSQL.5432"):
            yield folder
