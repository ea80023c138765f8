"""What emails look like."""

import re
import uuid
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTPUTF8, default

import pytest
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import PROJECT, settings
from app.features.mail.examples import FOLDER, example_data, write_examples
from app.features.mail.messages import PAGES, ascii_domain, build, render, text_paths
from app.features.mail.tests.helpers import Mailbox, text_of
from app.models import User
from app.tests.helpers import PASSWORD, try_login
from app.tests.other_settings import other_settings

KINDS = sorted(text_paths())
NOW = datetime(2030, 6, 21, 16, 0, tzinfo=UTC)


@pytest.mark.parametrize("kind", KINDS)
def test_text_and_html_say_the_same_and_load_nothing(kind: str) -> None:
    content = render(kind, NOW, "tokentoken" if kind in PAGES else None, example_data(kind))
    words = re.sub(r"\s+", " ", content.text)
    page = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", content.html.partition("<body")[2].partition(">")[2]))
    for sentence in re.findall(r"[A-Z][^.:$]*[.:]", words.partition(" -- ")[0].replace("'", "&#x27;")):
        assert sentence.strip(".:").split("#token")[0][:60] in page
    assert "$" not in content.text + content.html + content.subject
    assert (f"https://app.example.com/{PAGES[kind][0]}#token=tokentoken" in content.text) if kind in PAGES else True
    assert not re.search(r"<img|<script|<link|src=|url\(|@import", content.html)
    assert all(len(line) < 998 for line in (content.text + content.html).splitlines())  # RFC 5322 section 2.1.1


@pytest.mark.parametrize("kind", PAGES)
def test_without_a_front_end_the_email_has_the_token_and_the_command(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PORT", raising=False)
    with other_settings(FRONTEND_URL=None, PUBLIC_URL=None):
        content = render(kind, NOW, "tokentoken")
    assert f"curl http://127.0.0.1:8000{settings.api_prefix}/auth/{PAGES[kind][0]} " in content.text
    monkeypatch.setenv("PORT", "8001")  # as `make dev PORT=8001` does
    with other_settings(FRONTEND_URL=None, PUBLIC_URL=None):
        assert "curl http://127.0.0.1:8001/" in render(kind, NOW, "tokentoken").text
    with other_settings(FRONTEND_URL=None, PUBLIC_URL="https://api.example.com"):
        assert "curl https://api.example.com/" in render(kind, NOW, "tokentoken").text
    assert '"token": "tokentoken"' in content.text
    assert "&quot;tokentoken&quot;" in content.html


def test_what_comes_from_settings_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROJECT, "description", "Tea & <b>scones</b> for $5 " + "and more " * 200)
    content = render("password_changed", NOW, None)
    assert "Tea & <b>scones</b> for $5" in content.text
    assert "Tea &amp; &lt;b&gt;scones&lt;/b&gt; for $5" in content.html
    assert all(len(line) < 998 for line in (content.text + content.html).splitlines())


@pytest.mark.parametrize(
    ("address", "recipient"),
    [
        ("ana@bücher.example", "ana@xn--bcher-kva.example"),
        ("ana@straße.example", "ana@xn--strae-oqa.example"),
        ("żółw@example.com", "żółw@example.com"),
        ('"a b"@example.com', None),
        ("ana@example.com\r\nBcc: all@example.com", None),
    ],
)
async def test_an_address_that_is_accepted_can_be_written_to(
    client: AsyncClient, mailbox: Mailbox, address: str, recipient: str | None
) -> None:
    response = await client.post("/auth/forgot-password", json={"email": address})
    assert response.status_code == (202 if recipient else 422)
    if recipient:
        message = build(uuid.uuid4(), render("password_changed", NOW, None), ascii_domain(address), NOW)
        assert f"\r\nTo: {recipient}\r\n" in message.as_bytes(policy=SMTPUTF8).decode()


@pytest.mark.parametrize(
    "evil", ["ana@example.com\r\nBcc: all@example.com", "ana@example.com\n", "a@b.example, c@d.example"]
)
def test_no_address_adds_a_header_or_a_recipient(evil: str) -> None:
    content = render("password_changed", NOW, None)
    try:
        message = build(uuid.uuid4(), content, evil, NOW)
        parsed = message_from_bytes(message.as_bytes(), policy=default)
    except ValueError:
        return
    assert "Bcc" not in parsed
    assert len(parsed["To"].addresses) == 1


async def test_an_address_in_another_script_gets_its_email(
    client: AsyncClient, session: AsyncSession, mailbox: Mailbox
) -> None:
    session.add(User("żółw@bücher.example", "-"))
    await session.commit()
    await client.post("/auth/forgot-password", json={"email": "Żółw@bücher.example"})
    (mail,) = await mailbox.collect()
    assert str(mail["To"]).encode(errors="surrogateescape").decode() == "żółw@xn--bcher-kva.example"
    assert "#token=" in text_of(mail)


def test_examples_of_all_are_written() -> None:
    write_examples()
    assert {path.name for path in FOLDER.glob("*")} >= {f"{kind}.{end}" for kind in KINDS for end in ("txt", "html")}


POISON = [
    "=?utf-8?q??=@x.example.com",  # raises IndexError
    "=?utf-8?b?/w==?=@x.example.com",
    "=?x?q?evil=40evil.example=2c?=@x.example.com",  # names somebody else
    "a=?utf-8?q?b?=c@x.example.com",
]


@pytest.mark.parametrize("address", POISON)
async def test_an_encoded_word_is_no_address(
    client: AsyncClient, default_user_headers: dict[str, str], address: str
) -> None:
    bodies = {
        "/users/register": {"email": address, "password": PASSWORD},
        "/auth/forgot-password": {"email": address},
        "/users/me/email": {"email": address, "current_password": PASSWORD},
    }
    for path, body in bodies.items():
        response = await client.post(path, json=body, headers=default_user_headers)
        assert response.status_code == 422
        assert "encoded word" in response.text
    assert (await try_login(client, address)).status_code == 400


@pytest.mark.parametrize("address", POISON[:3])
def test_no_email_is_built_for_somebody_else(address: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        build(uuid.uuid4(), render("password_changed", NOW, None), address, NOW)
