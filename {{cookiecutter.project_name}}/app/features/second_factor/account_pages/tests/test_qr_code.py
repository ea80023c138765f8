"""The QR code of an authenticator app; the template's tests have it read by a scanner."""

import re

import pytest
from httpx import AsyncClient

from app.tests.other_settings import application_with

URI = "otpauth://totp/api:ana%40example.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=api"


async def test_a_qr_code_is_drawn_by_lines_within_its_size(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    paths = set()
    for uri in (URI, URI.replace("ana", "bob")):
        response = await client.post("/auth/totp/qr-code", headers=default_user_headers, json={"otpauth_uri": uri})
        assert response.headers["Cache-Control"] == "no-store"
        drawing = response.json()
        # The first line is at the top of a finder pattern, seven modules wide, with a margin of four.
        assert drawing["path"].startswith("M4 4.5h7m")
        first_line = re.findall(r"[hm](\d+)", drawing["path"].partition("m-")[0])
        assert 4 + sum(map(int, first_line)) + 4 == drawing["size"]
        paths.add(drawing["path"])
    assert len(paths) == 2


@pytest.mark.parametrize(
    "uri",
    ["", "https://example.com", "otpauth://hotp/a?secret=A", f"{URI}\n", f"{URI}<svg>é", URI + "a" * 1024],
    ids=["nothing", "link", "counter", "newline", "not ASCII", "long"],
)
async def test_nothing_but_such_a_uri_is_drawn(
    client: AsyncClient, default_user_headers: dict[str, str], uri: str
) -> None:
    response = await client.post("/auth/totp/qr-code", headers=default_user_headers, json={"otpauth_uri": uri})
    assert response.status_code == 422


async def test_the_longest_account_has_a_qr_code(client: AsyncClient, default_user_headers: dict[str, str]) -> None:
    uri = f"otpauth://totp/{'p' * 64}:{'%C3%A9' * 122}%40a.example?secret={'A' * 32}&issuer={'p' * 64}"
    response = await client.post("/auth/totp/qr-code", headers=default_user_headers, json={"otpauth_uri": uri})
    assert response.status_code == 200


async def test_without_the_pages_nothing_is_drawn() -> None:
    async with application_with(ACCOUNT_PAGES="false") as client:
        assert (await client.post("/auth/totp/qr-code", json={"otpauth_uri": URI})).status_code == 404
