"""The page that tries second factors; the template's own tests drive it in a browser."""

import asyncio
import re
import threading
from xml.etree import ElementTree

import pytest
import segno
from httpx import AsyncClient

from app.api.endpoints.second_factor_page import PAGES
from app.tests.other_settings import application_with

URI = "otpauth://totp/my-api:ana%40example.com?secret=JBSWY3DPEHPK3PXP&issuer=my-api"
LONGEST = URI + "x" * (500 - len(URI))
KINDS = {"text/html", "image/png", "text/css", "text/javascript", "application/javascript"}  # the last in Python 3.11
PAGE, QR_CODE = "/docs/second-factor", "/docs/second-factor/qr"


async def test_the_page_may_run_and_load_only_what_its_own_host_serves(client: AsyncClient) -> None:
    page = await client.get(PAGE)
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    directives = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
    assert directives == {"default-src": "'none'", "img-src": "'self' blob:"} | dict.fromkeys(
        ("script-src", "style-src", "connect-src"), "'self'"
    ) | dict.fromkeys(("base-uri", "form-action", "frame-ancestors"), "'none'")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page.text)
    for path in PAGES.iterdir():
        assert not re.search(r"https?:|\burl\(|@import|innerHTML|eval\(", path.read_text(encoding="utf-8")), path.name


@pytest.mark.parametrize("prefix", ["", "/another/prefix"])
async def test_the_page_finds_its_files_under_any_prefix(prefix: str) -> None:
    async with application_with(API_PREFIX=prefix) as client:
        page = await client.get(PAGE)
        urls = re.findall(r"""(?:src|href)="([^"]+)""", page.text)
        assert len(urls) == 4
        for url in urls:
            response = await client.get(page.url.join(url))
            assert response.status_code == 200, url
            assert response.headers["Content-Type"].partition(";")[0] in KINDS
        assert (await client.head(PAGE)).status_code == 200
        assert not [path for path in (await client.get("/openapi.json")).json()["paths"] if "docs" in path]


async def test_the_page_is_gone_where_the_documentation_is() -> None:
    async with application_with(DOCS="false") as client:
        for path in (PAGE, QR_CODE, "/docs-pages/second-factor.js"):
            assert (await client.get(path)).status_code == 404
        assert (await client.post(QR_CODE, json={"text": URI})).status_code == 404


async def test_a_qr_code_is_drawn_for_who_is_logged_in(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        response = await client.post(QR_CODE, json={"text": URI}, headers=headers)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    for text in (URI, LONGEST):
        image = await client.post(QR_CODE, json={"text": text}, headers=default_user_headers)
        assert image.status_code == 200
        assert (image.headers["Content-Type"], image.headers["Cache-Control"]) == ("image/svg+xml", "no-store")
        width, height = segno.make_qr(text).symbol_size(scale=8)
        svg = ElementTree.fromstring(image.text)  # noqa: S314 — our own
        assert (svg.get("width"), svg.get("height")) == (str(width), str(height))


@pytest.mark.parametrize(
    "body",
    [
        {"text": LONGEST + "x"},
        {"text": "https://example.com/"},
        {"text": "otpauth://"},
        {"text": "otpauth://totp/😀"},
        {"text": URI + "\n"},
        {"text": ["otpauth://totp"]},
        {"text": URI, "scale": 100},
        {},
    ],
)
async def test_no_other_text_is_drawn_nor_repeated(
    body: dict[str, object], client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    response = await client.post(QR_CODE, json=body, headers=default_user_headers)
    assert response.status_code == 422
    assert "totp" not in response.text


async def test_qr_codes_are_drawn_one_at_a_time_and_off_the_event_loop(
    client: AsyncClient, default_user_headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, make = [], segno.make_qr

    def recorded(text: str) -> segno.QRCode:
        threads.append(threading.current_thread())
        return make(text)

    monkeypatch.setattr(segno, "make_qr", recorded)
    request = {"json": {"text": LONGEST}, "headers": default_user_headers}
    responses = await asyncio.gather(*(client.post(QR_CODE, **request) for _ in range(4)))  # type: ignore[arg-type]
    assert {response.status_code for response in responses} == {200}
    assert len(threads) == 4
    assert len(set(threads)) == 1
    assert threads[0] is not threading.main_thread()
