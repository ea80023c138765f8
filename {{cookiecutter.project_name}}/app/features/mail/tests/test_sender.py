"""Who sends: the serving process, or one of its own; what the logs and metrics say of it."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from datetime import timedelta
from pathlib import Path

import pytest
from httpx import AsyncClient
from prometheus_client import generate_latest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import PROJECT_DIR, settings
from app.core.database import database
from app.features.mail import metrics, sender
from app.features.mail.lifespan import sending
from app.features.mail.models import OutgoingMail
from app.features.mail.outbox import EARLIEST, LATEST, claim, discard_unwanted, post
from app.features.mail.sender import POLL_INTERVAL, Sender
from app.features.mail.smtp import new_transport
from app.features.mail.tests.helpers import Mailbox, change, make_due
from app.features.mail.tests.server import mail_server
from app.models import User
from app.tests.helpers import PATIENCE, counted, free_port, scrape
from app.tests.other_settings import other_settings


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
    monkeypatch.setattr(sender, "POLL_INTERVAL", 0.01)
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
        *(sys.executable, "-m", "app.features.mail"),
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
    await make_due()
    with other_settings(MAIL_URL=f"file:{tmp_path}"):
        transport = new_transport()
    same = settings.sqlalchemy_url.render_as_string(hide_password=False)
    with other_settings(ENVIRONMENT=environment, DATABASE_URL=same):
        await Sender(database, transport).send_all()
    found = [line for line in lines if f"Link for {default_user.email}: https://app.example.com/recover" in line]
    assert len(found) == (environment == "dev")
    assert ("#token=" in "".join(lines)) == (environment == "dev")


async def test_a_log_line_says_what_became_of_an_email_and_not_to_whom_it_went(
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
    async with mail_server() as server, metrics.counting(database):
        with other_settings(MAIL_URL=f"smtp://127.0.0.1:{server.port}"):
            for replies in ([], ["550 no"], ["451 later"]):
                server.replies["RCPT"] += replies
                await put(session, default_user)
                await Sender(database).send_all()
    assert [metric(name) for name in names] == [number + 1 for number in before]
    await session.execute(update(OutgoingMail).values(created_at=func.now() - func.make_interval(0, 0, 0, 0, 0, 5)))
    await session.commit()
    await metrics.count_outbox(database)
    assert (metric("mails_waiting"), metric("mails_dead")) == (1, 1)
    assert 300 <= metric("mails_oldest_seconds") < 400


async def test_a_database_that_fails_does_not_end_the_sender(
    session: AsyncSession, default_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter([OSError("gone"), ValueError("a bug")])
    genuine = Sender.send_all
    monkeypatch.setattr(sender, "POLL_INTERVAL", 0.01)

    async def fails_twice(one: Sender) -> None:
        if error := next(calls, None):
            raise error
        await genuine(one)

    monkeypatch.setattr(Sender, "send_all", fails_twice)
    async with mail_server() as server:
        with other_settings(MAIL_URL=f"smtp://127.0.0.1:{server.port}", MAIL_SENDER="server"):
            await put(session, default_user)
            async with sending(database):
                await wait_until_sent()
    assert server.recipients == [default_user.email]


async def test_what_is_not_wanted_goes_at_once_and_no_request_for_an_unknown_address_is_kept(
    client: AsyncClient, session: AsyncSession, mailbox: Mailbox, default_user: User, other_user: User
) -> None:
    session.add_all([OutgoingMail("recovery", f"nobody{number}@example.com", None) for number in range(1500)])
    session.add_all([OutgoingMail("recovery", other_user.email, None) for _ in range(1500)])
    other_user.is_active = False
    await session.commit()
    for _ in range(50):  # more than leaves at once
        post(session, "recovery", default_user.email)
    await session.commit()
    await make_due()
    # Requests that were there for long, because nothing was sent, don't become dead rows either.
    await session.execute(
        update(OutgoingMail)
        .where(OutgoingMail.address != default_user.email)
        .values(created_at=func.now() - timedelta(days=2))
    )
    await session.commit()
    assert await discard_unwanted(database) == 3000 + 47
    assert {mail["To"] for mail in await mailbox.collect()} == {default_user.email}
    assert await session.scalar(select(func.count()).select_from(OutgoingMail)) == 0


async def test_no_sender_takes_what_nobody_wants(client: AsyncClient, session: AsyncSession) -> None:
    post(session, "recovery", "nobody@example.com")
    await session.commit()
    await make_due()
    assert await claim(database) is None


async def test_emails_whose_addressee_is_secret_leave_in_an_order_that_tells_nothing(session: AsyncSession) -> None:
    """Three requests: whether the second of them leaves between the others says whether it has an account."""
    for number in range(60):
        post(session, "recovery", f"user{number}@example.com")
    await session.commit()
    rows = (await session.execute(select(OutgoingMail.address, OutgoingMail.due_at, OutgoingMail.created_at))).all()
    waits = sorted((row.due_at - row.created_at).total_seconds() for row in rows)
    assert EARLIEST <= waits[0] < EARLIEST + 1
    assert LATEST - 1 < waits[-1] <= LATEST
    assert EARLIEST > POLL_INTERVAL * 1.2, "each sender has seen it before it is due, so it leaves at its own moment"
    order = [row.address for row in sorted(rows, key=lambda row: row.due_at)]
    assert order != [f"user{number}@example.com" for number in range(60)]


async def test_the_email_to_a_new_address_leaves_alone_too(
    client: AsyncClient, session: AsyncSession, default_user: User, default_user_headers: dict[str, str]
) -> None:
    """There is none if the address has an account; the notice to the old address would show by its moment."""
    assert (await change(client, default_user_headers, "new@example.com")).status_code == 202
    waiting = select(OutgoingMail.address, (OutgoingMail.due_at - OutgoingMail.created_at).label("wait"))
    waits = {row.address: row.wait.total_seconds() for row in await session.execute(waiting)}
    assert waits.pop("new@example.com") >= EARLIEST
    assert waits == {default_user.email: 0}


async def test_a_sender_wakes_when_an_email_is_due(
    session: AsyncSession, default_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "POLL_INTERVAL", 3600)
    async with mail_server() as server:
        with other_settings(MAIL_URL=f"smtp://127.0.0.1:{server.port}", MAIL_SENDER="server"):
            post(session, "recovery", default_user.email)
            await session.commit()
            async with sending(database):
                await wait_until_sent()
    assert server.recipients == [default_user.email]


async def test_a_server_that_is_down_is_not_asked_again_at_once(
    session: AsyncSession, default_user: User, other_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(session, default_user)
    await put(session, other_user)
    passes, has_begun = 0, asyncio.Event()
    genuine = Sender.send_all

    async def counted_pass(one: Sender) -> None:
        nonlocal passes
        passes += 1
        await genuine(one)
        has_begun.set()

    monkeypatch.setattr(Sender, "send_all", counted_pass)
    monkeypatch.setattr(sender, "POLL_INTERVAL", 3600)
    with other_settings(MAIL_URL="smtp://127.0.0.1:9", MAIL_SENDER="server"):
        async with sending(database):
            await has_begun.wait()
            await asyncio.sleep(0.3)
    assert passes == 1


@pytest.mark.parametrize("kind", ["recovery", "verification"])
async def test_addresses_with_a_tag_share_what_their_mailbox_gets(
    client: AsyncClient, session: AsyncSession, mailbox: Mailbox, default_user: User, kind: str
) -> None:
    users = [User(f"{name}@example.com", "-") for name in ("ana+0", "ANA+1", "ana+x+y", "ana+2", "ana+3", "ana+", "bo")]
    owner = User("ana+own@example.com", "-")
    session.add_all([*users, owner])
    await session.commit()
    for user in [*users, default_user]:
        post(session, kind, user.email, user.id if kind == "verification" else None)
    await session.commit()
    recipients = [mail["To"] for mail in await mailbox.collect()]
    assert {recipient for recipient in recipients if "+" not in recipient} == {default_user.email, "bo@example.com"}
    assert len(recipients) == 2 + 3
    owner.email_verified_at = func.now()
    await session.commit()
    post(session, "recovery", owner.email)
    await session.commit()
    assert await mailbox.subjects() == {"Choose a new password": owner.email}, "the owner has proved this address"
