"""MAIL_URL: where emails go."""

from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

LOCAL_HOSTS: Final = {"localhost", "127.0.0.1", "::1"}
_SHAPE: Final = (
    "must look like smtp://user:password@host:587, smtps://user:password@host or file:folder; "
    "in a password, /, ?, # and @ are written %2F, %3F, %23 and %40"
)


class MailServer(NamedTuple):
    host: str
    port: int
    begins_with_tls: bool
    needs_starttls: bool
    username: str | None
    password: str | None


def parse_mail_url(url: str) -> MailServer | Path:
    """A server, or the folder that takes its place. Raises ValueError, which doesn't show the URL."""
    scheme, _, rest = url.partition(":")
    if scheme == "file" and rest.strip("/"):
        return Path(f"/{rest.lstrip('/')}" if rest.startswith("/") else rest)  # file:/a and file:///a are one folder
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # behind a / in a password, the port isn't a number
        raise ValueError(_SHAPE) from None
    if scheme not in {"smtp", "smtps"} or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(_SHAPE)
    if (parts.username is None) != (parts.password is None):
        raise ValueError("has a user without a password, or the other way round")
    is_smtps = scheme == "smtps"
    return MailServer(
        host=parts.hostname,
        port=port or (465 if is_smtps else 587),
        begins_with_tls=is_smtps,
        # Without STARTTLS, whoever sits on the way reads the links, and the password.
        needs_starttls=not is_smtps and parts.hostname not in LOCAL_HOSTS,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )
