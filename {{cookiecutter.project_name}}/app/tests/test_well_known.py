"""Whom to tell of a vulnerability."""

from datetime import UTC, datetime, timedelta

import pytest

from app.tests.other_settings import application_with

ROOT = "http://api.example.com/.well-known"


async def test_security_txt_names_the_contact_and_expires_within_a_year() -> None:
    contact, url = "mailto:security@example.com", "https://api.example.com"
    async with application_with(SECURITY_CONTACT=contact, PUBLIC_URL=url) as client:
        response = await client.get(f"{ROOT}/security.txt")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    fields = dict(line.split(": ", 1) for line in response.text.splitlines())
    expires = datetime.fromisoformat(fields.pop("Expires"))
    assert timedelta(days=7) < expires - datetime.now(UTC) < timedelta(days=365)
    assert fields == {"Contact": contact, "Canonical": f"{url}/.well-known/security.txt"}


@pytest.mark.parametrize("contact", [None, "https://example.com/report"])
async def test_security_txt_is_there_with_a_contact_only(contact: str | None) -> None:
    async with application_with(SECURITY_CONTACT=contact) as client:
        response = await client.get(f"{ROOT}/security.txt")
    assert (response.status_code, "Contact: https://example.com/report\n" in response.text) == (
        (404, False) if contact is None else (200, True)
    )
