"""What owners are told of their passkeys, and that a passkey is no way around an address that isn't verified."""

from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from httpx import AsyncClient

from app.core.database import database
from app.features.mail.sender import Sender
from app.features.mail.smtp import FolderTransport
from app.features.passkeys.tests.authenticator import Authenticator
from app.features.passkeys.tests.helpers import register, use
from app.tests.other_settings import other_settings


def subjects_in(folder: Path) -> list[str]:
    emails = [message_from_bytes(path.read_bytes(), policy=default) for path in folder.glob("*.eml")]
    return sorted(email["Subject"] for email in emails)


async def test_owners_are_told_when_a_passkey_comes_or_goes(
    client: AsyncClient, default_user_headers: dict[str, str], tmp_path: Path
) -> None:
    passkey_id = (await register(client, default_user_headers, Authenticator()))["id"]
    for _ in range(2):  # the second time in vain
        await client.delete(f"/auth/passkeys/{passkey_id}", headers=default_user_headers)
    await Sender(database, FolderTransport(tmp_path)).send_all()
    assert subjects_in(tmp_path) == ["A passkey was added", "A passkey was removed"]


@pytest.mark.parametrize("registration", ["open", "discreet"])
async def test_an_address_that_has_to_be_verified_comes_first(
    client: AsyncClient, passkey: Authenticator, registration: str
) -> None:
    with other_settings(EMAIL_VERIFICATION="required", REGISTRATION=registration):
        response = await use(client, passkey)
    assert (response.status_code, response.json()["error"]) == (403, "email_not_verified")
