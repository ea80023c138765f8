"""One reader for each database URL: the application, Alembic, the tests and scripts/databases.py take the same ones."""

import asyncio
import contextlib
import re
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import URL, text

import conftest
from app.core.config import PROJECT_DIR, Settings, load, settings
from app.core.database import Database
from app.core.database_url import address, arguments, renamed, servers, to_asyncpg_url, why_refused
from app.tests.other_settings import refusal

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
    "postgresql://ana@a,b/test": "has several hosts, which must be written ?host=first:5432&host=second:5432",
    "postgresql://ana@a:1,b:2/test": "has several hosts",
    "postgresql://ana@/test?host=a,b": "has several hosts, each of which needs its port",
    "postgresql://ana@/test?host=a:1&host=b:xyzzy": "has several hosts, each of which needs its port",
    "postgresql://ana@db.example/test?connect_timeout=3": "has unsupported parameters: connect_timeout",
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
