"""Fixtures."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.features.mail.tests.helpers import SETTINGS, Events, Mailbox
from app.server.logging import JsonFormatter
from app.tests.helpers import CLIENT_IP
from app.tests.other_settings import other_settings


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged, as in production."""
    written: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(JsonFormatter().format(record))

    collector, logger = Collector(), logging.getLogger("app.mail")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(collector)
    yield written
    logger.removeHandler(collector)
    logger.setLevel(level)


@pytest.fixture
def mailbox(tmp_path: Path, empty_tables: None) -> Mailbox:
    return Mailbox(tmp_path / "mail")


@pytest.fixture
def verification_required() -> Iterator[None]:
    with other_settings(EMAIL_VERIFICATION="required"):
        yield


@pytest.fixture(params=SETTINGS)
def chosen(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test with each way to register."""
    with other_settings(**SETTINGS[request.param]):
        yield request.param


@pytest.fixture
def discreet() -> Iterator[None]:
    with other_settings(**SETTINGS["discreet"]):
        yield


@pytest.fixture
def events() -> Iterator[Events]:
    """The events and accounts since this was called last."""
    records: list[logging.LogRecord] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            assert record.__dict__["client"] == CLIENT_IP
            records.append(record)

    def take() -> list[tuple[str, str | None]]:
        taken = [(record.__dict__["event"], record.__dict__.get("user_id")) for record in records]
        records.clear()
        return taken

    collector = Collector()
    logging.getLogger("app.audit").addHandler(collector)
    yield take
    logging.getLogger("app.audit").removeHandler(collector)
