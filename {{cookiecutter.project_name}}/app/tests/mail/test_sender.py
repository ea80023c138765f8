"""Who sends: the serving process, or one of its own; what the logs and metrics say of it."""

import asyncio
import json
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx import AsyncClient
from prometheus_client import generate_latest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import PROJECT_DIR, settings
from app.core.database import database
from app.mail import metrics
from app.mail.outbox import post
from app.mail.sender import Sender, sending
from app.mail.smtp import new_transport
from app.models import OutgoingMail, User
from app.server.logging import JsonFormatter
from app.tests.helpers import PATIENCE
from app.tests.mail.server import mail_server
from app.tests.other_settings import other_settings
from app.tests.test_metrics import counted, free_port, scrape


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


async def put(session: AsyncSession, user: User) -> None:
    post(session, "password_changed", user.email, user.id)
    await session.commit()


async def wait_until_sent() -> None:
    async with asyncio.timeout(PATIENCE):
        while await database.fetch_one(select(OutgoingMail.id)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_server_sends_what_waits_when_it_starts_and_what_comes(
    session: AsyncSession, default_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.mail.sender.POLL_INTERVAL", 0.01)
    async with mail_server() as server:
        with other_settings(MAIL_URL=f"smtp://127.0.0.1:{server.port}", MAIL_SENDER="server"):
            await put(session, default_user)
            async with sending(database):
                await wait_until_sent()
                await put(session, default_user)
                await wait_until_sent()
    assert server.recipients == [default_user.email] * 2


async def test_a_server_leaves_it_to_a_process_that_sends(session: AsyncSession, default_user: User) -> None:
    await put(session, default_user)
    async with sending(database):
        await asyncio.sleep(0.2)
    assert await session.scalar(select(OutgoingMail.attempts)) == 0


async def test_a_process_of_its_own_sends_until_it_is_told_to_stop(
    session: AsyncSession, default_user: User, tmp_path: Path
) -> None:
    await put(session, default_user)
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.mail"),
        cwd=PROJECT_DIR,
        env=os.environ | {"MAIL_URL": f"file:{tmp_path}/mail", "METRICS_PORT": str(port)},
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        await wait_until_sent()
        async with asyncio.timeout(PATIENCE):
            # It counts once the mail has left the outbox.
            while counted(await asyncio.to_thread(scrape, port))['mails_total{outcome="sent"}'] != 1:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output
    (mail,) = (tmp_path / "mail").iterdir()
    assert default_user.email in mail.read_text()
    assert mail.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("environment", ["dev", "test"])
async def test_development_logs_the_link_and_nothing_else_does(
    client: AsyncClient, default_user: User, tmp_path: Path, lines: list[str], environment: str
) -> None:
    await client.post("/auth/forgot-password", json={"email": default_user.email})
    with other_settings(MAIL_URL=f"file:{tmp_path}"):
        transport = new_transport()
    same = settings.sqlalchemy_url.render_as_string(hide_password=False)
    with other_settings(ENVIRONMENT=environment, DATABASE_URL=same):
        await Sender(database, transport).send_all()
    found = [line for line in lines if f"Link for {default_user.email}: https://app.example.com/recover" in line]
    assert len(found) == (environment == "dev")
    assert ("#token=" in "".join(lines)) == (environment == "dev")


async def test_a_log_line_says_what_became_of_a_mail_and_not_to_whom_it_went(
    session: AsyncSession, default_user: User, lines: list[str]
) -> None:
    async with mail_server() as server:
        server.replies["RCPT"].append(f"451 <{default_user.email}> later")
        with other_settings(MAIL_URL=f"smtp://127.0.0.1:{server.port}"):
            for _ in range(2):
                await put(session, default_user)
                await Sender(database).send_all()
    assert [json.loads(line)["event"] for line in lines if "mail_failed" in line] == ["mail_failed"]
    assert "451" in lines[0]
    assert default_user.email not in "".join(lines)


def metric(name: str) -> float:
    lines = generate_latest().decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


async def test_metrics_count_what_was_sent_what_failed_and_what_waits(
    session: AsyncSession, default_user: User, other_user: User
) -> None:
    names = ['mails_total{outcome="' + outcome + '"}' for outcome in ("sent", "failed", "dead")]
    before = [metric(name) for name in names]
    async with mail_server() as server:
        with other_settings(MAIL_URL=f"smtp://127.0.0.1:{server.port}"):
            for replies in ([], ["550 no"], ["451 later"]):
                server.replies["RCPT"] += replies
                await put(session, default_user)
                await Sender(database).send_all()
    assert [metric(name) for name in names] == [number + 1 for number in before]
    await session.execute(update(OutgoingMail).values(created_at=func.now() - func.make_interval(0, 0, 0, 0, 0, 5)))
    await session.commit()
    await metrics.count(database)
    assert (metric("mails_waiting"), metric("mails_dead")) == (1, 1)
    assert 300 <= metric("mails_oldest_seconds") < 400


async def test_a_database_that_fails_does_not_end_the_sender(
    session: AsyncSession, default_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter([OSError("gone"), ValueError("a bug")])
    genuine = Sender.send_all
    monkeypatch.setattr("app.mail.sender.POLL_INTERVAL", 0.01)

    async def fails_twice(sender: Sender) -> None:
        if error := next(calls, None):
            raise error
        await genuine(sender)

    monkeypatch.setattr(Sender, "send_all", fails_twice)
    async with mail_server() as server:
        with other_settings(MAIL_URL=f"smtp://127.0.0.1:{server.port}", MAIL_SENDER="server"):
            await put(session, default_user)
            async with sending(database):
                await wait_until_sent()
    assert server.recipients == [default_user.email]
