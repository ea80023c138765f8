"""Mail's settings: what is refused, and how a URL is read."""

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from app.core.config import load, settings
from app.features.mail.mail_url import MailServer, parse_mail_url
from app.features.mail.settings import MailSettings
from app.tests.other_settings import GOOD_KEY, other_settings, refusal_of


@pytest.mark.parametrize(
    "url",
    [
        *("xyzzy", "http://xyzzy", "smtp://", "smtp://user:xyzzy@", "smtp://user:xyzzy@host:port", "smtp://xyzzy@host"),
        *("smtp://user:xy/zzy@host", "smtp://user:xyzzy@host/x", "smtp://host?xyzzy", "file:", "file:///"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    message = refusal_of(MailSettings, monkeypatch, MAIL_URL=url)
    assert "\n  MAIL_URL: " in message
    assert ("are written %2F, %3F, %23 and %40" in message) == ("without a password" not in message)
    assert "zzy" not in message


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.com", MailServer("mail.example.com", 587, False, True, None, None)),
        ("smtp://ana:p%40ss%2F@mail.example.com:25", MailServer("mail.example.com", 25, False, True, "ana", "p@ss/")),
        ("smtps://ana:x@mail.example.com", MailServer("mail.example.com", 465, True, False, "ana", "x")),
        ("smtp://localhost:1025", MailServer("localhost", 1025, False, False, None, None)),
        ("smtp://[::1]:1025", MailServer("::1", 1025, False, False, None, None)),
        ("file:.mail", Path(".mail")),
        ("file:///var/mail/app", Path("/var/mail/app")),
    ],
)
def test_a_url_says_where_mail_goes_and_how(url: str, server: MailServer | Path) -> None:
    assert parse_mail_url(url) == server


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"MAIL_FROM": ""}, "MAIL_FROM must be set where MAIL_URL is"),
        ({"MAIL_FROM": "xyzzy"}, "  MAIL_FROM: "),
        ({"MAIL_URL": "", "EMAIL_VERIFICATION": "required"}, "EMAIL_VERIFICATION=required needs a MAIL_URL"),
        ({"REGISTRATION": "discreet"}, "REGISTRATION=discreet needs EMAIL_VERIFICATION=required"),
        ({"FRONTEND_URL": "app.example.com"}, "FRONTEND_URL: must look like https://app.example.com"),
        ({"FRONTEND_URL": "https://app.example.com/#/x"}, "FRONTEND_URL: must look like"),
    ],
)
def test_what_could_not_work_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    assert message in refusal_of(MailSettings, monkeypatch, **variables)


def test_a_folder_is_no_mail_server_of_production(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = f"file:{tmp_path}"
    with in_production():
        assert "MAIL_URL is a folder" in refusal_of(MailSettings, monkeypatch, MAIL_URL=url)


def test_production_starts_with_a_server_that_takes_emails(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "MAIL_URL": "smtps://ana:x@mail.example.com",
        "EMAIL_VERIFICATION": "required",
        "REGISTRATION": "discreet",
        "FRONTEND_URL": "https://app.example.com/",
    }.items():
        monkeypatch.setenv(name, value)
    with in_production():
        assert load(MailSettings).frontend_url == "https://app.example.com"  # links have one slash


def in_production() -> AbstractContextManager[None]:
    url = settings.sqlalchemy_url.render_as_string(hide_password=False)
    return other_settings(ENVIRONMENT="production", DATABASE_URL=url, SECRET_KEY=GOOD_KEY, SECRET_KEY_FALLBACKS="")
