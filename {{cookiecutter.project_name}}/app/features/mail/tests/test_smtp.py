"""Sending to a real SMTP server, and what becomes of emails when it fails."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

import pytest
from httpx import AsyncClient
from sqlalchemy import extract, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import PROJECT
from app.core.database import database
from app.features.mail import mail_url, smtp
from app.features.mail.models import OutgoingMail
from app.features.mail.outbox import post
from app.features.mail.sender import Sender
from app.features.mail.tests.helpers import text_of
from app.features.mail.tests.server import Server, mail_server, make_certificate
from app.models import User
from app.tests.helpers import PATIENCE
from app.tests.other_settings import other_settings


@pytest.fixture
async def server(empty_tables: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr(smtp, "WAIT", PATIENCE)
    async with mail_server() as server:
        with other_settings(MAIL_URL=f"smtp://127.0.0.1:{server.port}"):
            yield server


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """Of a server whose certificate is trusted."""
    context, authority = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    smtp._tls_context.cache_clear()
    yield context
    smtp._tls_context.cache_clear()


@contextmanager
def no_host_is_local(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr(mail_url, "LOCAL_HOSTS", set())
        yield


async def put(session: AsyncSession, *users: User) -> None:
    for user in users:
        post(session, "password_changed", user.email, user.id)
        await session.commit()  # one by one, so that they are due one after the other


async def send_all() -> None:
    await Sender(database).send_all()


async def make_due(session: AsyncSession) -> None:
    due = update(OutgoingMail).where(OutgoingMail.due_at.is_not(None)).values(due_at=func.now())
    await session.execute(due)
    await session.commit()


async def the_mail(session: AsyncSession) -> OutgoingMail:
    """The only one in the outbox."""
    session.expunge_all()
    mail = (await session.scalars(select(OutgoingMail))).one()
    session.expunge(mail)
    await session.rollback()
    return mail


async def is_empty(session: AsyncSession) -> bool:
    return await session.scalar(select(func.count()).select_from(OutgoingMail)) == 0


async def test_emails_leave_over_one_connection(
    session: AsyncSession, server: Server, default_user: User, other_user: User
) -> None:
    await put(session, default_user, other_user)
    await send_all()
    assert await is_empty(session)
    assert server.recipients == [default_user.email, other_user.email]
    assert server.connections == 1
    message = server.received[0]
    (sender,) = message["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (PROJECT["name"], "no-reply@example.com")
    assert message["To"] == default_user.email
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "multipart/alternative"
    assert "was changed" in " ".join(text_of(message).split())


async def test_a_flow_goes_through_a_server_with_starttls_and_a_login(
    client: AsyncClient, session: AsyncSession, default_user: User, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with mail_server(starttls=tls, asks_for_login=True) as server:
        url = f"smtp://ana:{quote('pass:word/1', safe='')}@127.0.0.1:{server.port}"
        with no_host_is_local(monkeypatch), other_settings(MAIL_URL=url):
            await client.post("/auth/forgot-password", json={"email": default_user.email})
            await make_due(session)
            await send_all()
    assert server.over_tls == [True]
    token = text_of(server.received[0]).partition("#token=")[2].split()[0]
    body = {"token": token, "new_password": "a new and better one"}
    assert (await client.post("/auth/recover-password", json=body)).status_code == 204


async def test_smtps_begins_with_tls(session: AsyncSession, default_user: User, tls: ssl.SSLContext) -> None:
    async with mail_server(tls=tls, asks_for_login=True) as server:
        with other_settings(MAIL_URL=f"smtps://ana:pass%3Aword%2F1@127.0.0.1:{server.port}"):
            await put(session, default_user)
            await send_all()
    assert server.recipients == [default_user.email]


async def test_without_starttls_nothing_is_said(
    session: AsyncSession, server: Server, default_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(session, default_user)
    with no_host_is_local(monkeypatch):
        await send_all()
    assert server.received == []
    assert "STARTTLS" in ((await the_mail(session)).failure or "")


@pytest.mark.parametrize("names_another", [True, False])
async def test_a_certificate_that_cannot_be_trusted_is_refused(
    session: AsyncSession, default_user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names_another: bool
) -> None:
    context, authority = make_certificate(tmp_path, "127.0.0.9" if names_another else "127.0.0.1")
    if names_another:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    smtp._tls_context.cache_clear()
    async with mail_server(tls=context) as server:
        with other_settings(MAIL_URL=f"smtps://127.0.0.1:{server.port}"):
            await put(session, default_user)
            await send_all()
    smtp._tls_context.cache_clear()
    assert server.received == []
    assert "certificate verify failed" in ((await the_mail(session)).failure or "")


async def test_a_wrong_login_ends_no_email(session: AsyncSession, default_user: User, tls: ssl.SSLContext) -> None:
    """The email is as good as ever once the settings are right."""
    async with mail_server(tls=tls, asks_for_login=True) as server:
        with other_settings(MAIL_URL=f"smtps://ana:wrong@127.0.0.1:{server.port}"):
            await put(session, default_user)
            await send_all()
    mail = await the_mail(session)
    assert mail.due_at is not None
    assert (mail.failure or "").startswith("535 ")


@pytest.mark.parametrize(
    ("command", "reply"),
    [("MAIL", "421 closing"), ("RCPT", "451 try later"), ("RCPT", "450 greylisted"), ("DATA", "452 disk full")],
)
async def test_a_passing_refusal_is_repeated(
    session: AsyncSession, server: Server, default_user: User, command: str, reply: str
) -> None:
    server.replies[command].append(reply)
    await put(session, default_user)
    await send_all()
    mail = await the_mail(session)
    assert (mail.failure, mail.attempts) == (reply, 1)
    assert server.received == []
    await send_all()  # it is not due yet
    assert server.received == []
    await make_due(session)
    await send_all()
    assert len(server.received) == 1
    assert await is_empty(session)


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_a_permanent_refusal_is_not_repeated_and_stops_no_other(
    session: AsyncSession, server: Server, default_user: User, other_user: User, command: str
) -> None:
    server.replies[command].append(f"550 5.1.1 <{default_user.email}> unknown, see https://x/#token={'t' * 40}")
    await put(session, default_user, other_user)
    await send_all()
    assert server.recipients == [other_user.email]
    mail = await the_mail(session)
    assert mail.due_at is None
    # Neither an address nor a token that a server quotes is kept, or logged.
    assert mail.failure == "550 5.1.1 … unknown, see https://x/…"
    await make_due(session)
    await send_all()
    assert server.recipients == [other_user.email]


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        ("550 Postf\udce4cher\0voll \x1b[31m", "550 Postf cher voll [31m"),  # in Latin-1
        ("550 see abcdefghij0123456789", "550 see …"),
        ("550 see https://x/?token=abcdefghij%40", "550 see …"),
        ("550 " + "x. " * 300 + "ana" * 10_000 + "@example.com", ("550 " + "x. " * 300)[:500].strip()),
    ],
)
def test_what_a_server_says_is_kept_only_as_far_as_it_is_harmless(reply: str, kept: str) -> None:
    assert str(smtp.DeliveryError(reply)) == kept


@pytest.mark.parametrize("dots", [" ", "", "@"])
def test_what_a_server_says_takes_no_time(dots: str) -> None:
    started = time.process_time()
    for _ in range(100):
        smtp.DeliveryError("550 " + f"{'.' * 100}{dots}" * 320)
    assert time.process_time() - started < 1.3, "it took 1.3 s for each"


async def test_a_refusal_in_another_encoding_is_stored_and_stops_no_other(
    session: AsyncSession, server: Server, default_user: User, other_user: User
) -> None:
    server.replies["RCPT"].append(f"550 <{default_user.email}> Postf\udce4cher \0 voll")
    await put(session, default_user, other_user)
    await send_all()
    assert server.recipients == [other_user.email]
    assert (await the_mail(session)).failure == "550 … Postf cher voll"


async def test_the_server_is_told_our_own_name(session: AsyncSession, server: Server, default_user: User) -> None:
    await put(session, default_user)
    await send_all()
    assert server.helo == "example.com", "as MAIL_FROM has it"


async def test_emails_that_cannot_be_built_are_buried_at_once_and_stop_no_other(
    session: AsyncSession, server: Server, default_user: User, lines: list[str]
) -> None:
    """Accounts with such addresses may be there from before they were refused."""
    addresses = [
        "=?utf-8?q??=@x.example.com",
        "=?x?q?evil=40evil.example=2c?=@x.example.com",
        "odd@localhost",
        "nobody",
    ]
    odd = [User(address, "-") for address in addresses]
    session.add_all(odd)
    await session.commit()
    await put(session, *odd, default_user)
    session.add(OutgoingMail("without_a_template", default_user.email, default_user.id))
    await put(session, default_user)
    await send_all()
    assert server.recipients == [default_user.email] * 2
    dead = (await session.scalars(select(OutgoingMail))).all()
    assert {mail.due_at for mail in dead} == {None}
    assert {mail.failure for mail in dead} == {
        "IndexError",
        "ValueError",
        "EmailSyntaxError",
        "KeyError",
    }
    assert not [address for address in addresses if address in "".join(lines)]


async def test_an_error_of_any_kind_while_an_email_is_sent_ends_that_email_alone(
    session: AsyncSession,
    server: Server,
    default_user: User,
    other_user: User,
    monkeypatch: pytest.MonkeyPatch,
    lines: list[str],
) -> None:
    genuine = smtp.SmtpTransport.send

    async def fails_once(transport: smtp.SmtpTransport, message: EmailMessage, sender: str, recipient: str) -> None:
        if recipient == default_user.email:
            raise LookupError(recipient)
        await genuine(transport, message, sender, recipient)

    await put(session, default_user, other_user)
    with monkeypatch.context() as patched:
        patched.setattr(smtp.SmtpTransport, "send", fails_once)
        await send_all()
    assert server.recipients == [other_user.email]
    assert (await the_mail(session)).failure == "LookupError"
    assert "fails_once" in "".join(lines)
    assert default_user.email not in "".join(lines)


async def test_a_server_that_is_down_costs_no_email_and_is_not_stormed(
    session: AsyncSession, server: Server, default_user: User, other_user: User
) -> None:
    with other_settings(MAIL_URL="smtp://127.0.0.1:9"):
        await put(session, default_user, other_user)
        await send_all()
    attempts = (await session.scalars(select(OutgoingMail.attempts).order_by(OutgoingMail.attempts))).all()
    assert attempts == [0, 1]  # it gave up after the first, whose turn it was
    await make_due(session)
    await send_all()
    assert set(server.recipients) == {default_user.email, other_user.email}


async def test_a_server_that_does_not_answer_holds_up_nothing_for_long(
    session: AsyncSession, server: Server, default_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "WAIT", 0.2)
    server.delay = 10 * PATIENCE
    await put(session, default_user)
    async with asyncio.timeout(PATIENCE):
        await send_all()
    assert (await the_mail(session)).attempts == 1


async def test_a_connection_that_breaks_after_the_data_sends_the_same_message_twice_at_most(
    session: AsyncSession, server: Server, default_user: User
) -> None:
    server.cuts_after_data = 1
    await put(session, default_user)
    await send_all()
    assert not await is_empty(session)
    await make_due(session)
    await send_all()
    assert await is_empty(session)
    first, second = server.received
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Message-ID"].endswith("@example.com>")


async def test_delays_double_up_to_an_hour_and_end_after_a_day(
    session: AsyncSession, server: Server, default_user: User
) -> None:
    await put(session, default_user)
    delays, taken = [], []
    for _ in range(12):
        begun = time.monotonic()
        server.replies["RCPT"].append("451 later")
        await make_due(session)
        await send_all()
        due_in = extract("epoch", OutgoingMail.due_at - func.now())
        delays.append(float((await session.scalars(select(due_in))).one()))
        taken.append(time.monotonic() - begun)
        await session.rollback()
    for number, (delay, seconds) in enumerate(zip(delays, taken, strict=True)):
        expected = min(10 * 2**number, 3600)
        assert expected * 0.5 - seconds <= delay <= expected * 1.5
    assert len({round(delay / 3600, 3) for delay in delays[9:]}) > 1  # not all at once
    await session.execute(update(OutgoingMail).values(created_at=OutgoingMail.created_at - timedelta(days=1)))
    await make_due(session)
    await send_all()
    mail = await the_mail(session)
    assert (mail.due_at, mail.failure) == (None, "too late after 451 later")
    assert server.received == []


async def test_an_email_whose_token_has_expired_is_not_sent(
    client: AsyncClient, session: AsyncSession, server: Server, default_user: User
) -> None:
    long_ago = default_user.password_changed_at - timedelta(hours=3)
    await session.execute(update(User).values(password_changed_at=long_ago))
    await session.commit()
    await client.post("/auth/forgot-password", json={"email": default_user.email})
    await session.execute(update(OutgoingMail).values(created_at=func.now() - timedelta(minutes=121)))
    await make_due(session)
    await send_all()
    assert server.received == []
    assert (await the_mail(session)).due_at is None


async def test_dead_emails_are_kept_for_thirty_days(
    session: AsyncSession, server: Server, default_user: User, other_user: User
) -> None:
    server.replies["RCPT"] += ["550 no", "550 no"]
    await put(session, default_user)
    await send_all()
    await session.execute(update(OutgoingMail).values(created_at=func.now() - timedelta(days=30, seconds=1)))
    await put(session, other_user)
    await send_all()
    assert (await the_mail(session)).address == other_user.email


async def test_of_ten_senders_each_email_has_one(session: AsyncSession, server: Server, default_user: User) -> None:
    session.add_all([User(f"user{number}@example.com", "-") for number in range(50)])
    await session.commit()
    await put(session, *(await session.scalars(select(User))).all())
    await asyncio.gather(*(send_all() for _ in range(10)))
    assert len(server.recipients) == len(set(server.recipients)) == 51
    assert await is_empty(session)


async def test_an_email_of_a_sender_that_was_killed_is_sent_by_another_after_the_lease(
    session: AsyncSession, server: Server, default_user: User
) -> None:
    await put(session, default_user)
    server.delay = 30
    killed = asyncio.create_task(send_all())
    await server.is_asked.wait()
    killed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await killed
    server.delay = 0
    await send_all()
    assert server.received == []  # it could still be on its way
    mail = await the_mail(session)
    assert mail.due_at is not None
    assert timedelta(seconds=100) < mail.due_at - mail.created_at < timedelta(seconds=140 + PATIENCE)
    await make_due(session)
    await send_all()
    assert len(server.received) == 1


async def test_who_is_told_to_stop_finishes_the_email_under_way(
    session: AsyncSession, server: Server, default_user: User, other_user: User
) -> None:
    await put(session, default_user, other_user)
    server.delay = 0.3
    sender = Sender(database)
    running = asyncio.create_task(sender.run())
    await server.is_asked.wait()
    sender.stop()
    async with asyncio.timeout(PATIENCE):
        await running
    assert server.recipients == [default_user.email]
    assert (await the_mail(session)).address == other_user.email
