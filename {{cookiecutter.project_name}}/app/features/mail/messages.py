"""What emails say: `templates/` has a text for each kind, and one layout for the HTML that is made of it.

A text begins with its subject. `$action` stands where the link goes; without a page to lead to, the token.
Other features have texts in their folders `mail/`.
"""

import html
import json
import os
import textwrap
import uuid
from collections.abc import Mapping
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTPUTF8
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from string import Template
from typing import Any, Final, NamedTuple

from email_validator import validate_email

from app.core.config import PROJECT, settings
from app.core.pages import pages_url
from app.features.mail.settings import mail_settings

# For each kind with a token: the page, and what the route of the same name wants beside the token.
PAGES: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "recovery": ("recover-password", {"new_password": "a new password"}),
    "verification": ("verify-email", {}),
    "email_change": ("verify-email", {}),
}


class Content(NamedTuple):
    subject: str
    text: str
    html: str


_NO_DATA: Final[Mapping[str, Any]] = {}


def render(kind: str, when: datetime, token: str | None, data: Mapping[str, Any] = _NO_DATA) -> Content:
    """What an email of this kind says. `when` is the moment of its cause; the text may mention all names in `data`.

    Raises KeyError for any other name.
    """
    values = {
        "project": str(PROJECT["name"]),
        "description": str(PROJECT["description"]),
        "when": f"{when:%d %B %Y at %H:%M} UTC",
        **{name: str(value) for name, value in data.items()},
    }
    head, *body = _template(kind).split("\n\n")
    subject = Template(head.removeprefix("Subject: ")).substitute(values)
    texts, parts = [], []
    for paragraph in body:
        if paragraph.strip() == "$action":
            action, part = _action(kind, token or "", subject)
            texts.append(action)
            parts.append(part)
        else:
            words = Template(paragraph.strip()).substitute(values)
            texts.append(_fill(words))
            parts.append(f"<p>{_fill(html.escape(words))}</p>")
    texts.append(f"-- \n{_fill(values['project'] + ': ' + values['description'])}")
    escaped = {name: _fill(html.escape(value)) for name, value in values.items()}
    page = _layout().substitute(escaped, subject=html.escape(subject), content="\n".join(parts))
    return Content(subject, "\n\n".join(texts) + "\n", page)


def build(mail_id: uuid.UUID, content: Content, recipient: str, date: datetime) -> EmailMessage:
    """The email itself. Should it be sent twice, both copies have the same Message-ID.

    Raises all kinds of errors for addresses that older versions accepted.
    """
    sender = ascii_domain(str(mail_settings.mail_from))
    local_part, _, domain = recipient.rpartition("@")
    message = EmailMessage(SMTPUTF8)
    message["From"] = str(Address(PROJECT["name"], addr_spec=sender))
    message["To"] = str(Address(username=local_part, domain=domain))
    if [address.addr_spec for address in message["To"].addresses] != [recipient]:
        raise ValueError("The header would name somebody else")  # as encoded words do (RFC 2047)
    message["Subject"] = content.subject
    message["Date"] = format_datetime(date)
    message["Message-ID"] = f"<{mail_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notice comes back
    # Not quoted-printable, in which a link can't be read, nor copied out of an .eml file.
    message.set_content(content.text, cte="8bit")
    message.add_alternative(content.html, subtype="html", cte="8bit")
    message.set_boundary(mail_id.hex)  # otherwise the whole text is searched for a random one
    return message


def ascii_domain(address: str) -> str:
    """The address with its domain as DNS has it; a local part that isn't ASCII needs a server with SMTPUTF8."""
    parsed = validate_email(address, check_deliverability=False)
    return f"{parsed.local_part}@{parsed.ascii_domain}"


def link_to(kind: str, token: str) -> str | None:
    """A page of the front end, else one of our own; None where there is neither.

    The token is in the fragment, which browsers send to no server: so no log and no Referer has it.
    """
    base = mail_settings.frontend_url or pages_url()
    return f"{base}/{PAGES[kind][0]}#token={token}" if base else None


_BUTTON: Final = (
    '<p><a href="{0}" style="display: inline-block; padding: 10px 20px; background: #1d4ed8; color: #ffffff; '
    'border-radius: 6px; text-decoration: none">{1}</a></p>\n<p style="font-size: 13px; word-break: break-all">{0}</p>'
)
_COMMAND: Final = '<pre style="font-size: 13px; white-space: pre-wrap; word-break: break-all">{0}</pre>'


def _action(kind: str, token: str, label: str) -> tuple[str, str]:
    if link := link_to(kind, token):
        return link, _BUTTON.format(html.escape(link), html.escape(label))
    page, fields = PAGES[kind]
    # `make dev PORT=8001` exports the port.
    api = settings.public_url or f"http://127.0.0.1:{os.environ.get('PORT', '8000')}"
    command = (
        f"curl {api}{settings.api_prefix}/auth/{page} \\\n"
        f"  -H 'Content-Type: application/json' \\\n  -d '{json.dumps({'token': token} | fields)}'"
    )
    return command, _COMMAND.format(html.escape(command))


def _fill(words: str) -> str:
    return textwrap.fill(words, 76, break_long_words=False, break_on_hyphens=False)


_TEMPLATES: Final = Path(__file__).with_name("templates")


@cache
def text_paths() -> dict[str, Path]:
    """The text of each kind of email."""
    features = Path(__file__).parents[1]
    return {path.stem: path for path in sorted([*_TEMPLATES.glob("*.txt"), *features.glob("*/mail/*.txt")])}


@cache
def _template(kind: str) -> str:
    return text_paths()[kind].read_text(encoding="utf-8").strip()


@cache
def _layout() -> Template:
    return Template((_TEMPLATES / "layout.html").read_text(encoding="utf-8").strip())
