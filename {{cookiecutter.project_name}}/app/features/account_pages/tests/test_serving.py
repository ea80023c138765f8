"""What is served, with which headers, and what isn't."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from httpx import AsyncClient

from app.core.config import settings
from app.features.account_pages import files
from app.features.account_pages.tests.helpers import load, page_paths, root
from app.tests.other_settings import application_with, other_settings

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


async def test_every_page_and_all_that_it_loads_is_there_under_a_strict_policy(client: AsyncClient) -> None:
    assert set(page_paths()) >= {root(), f"{root()}/login", f"{root()}/register"}
    for page in page_paths():
        loaded = await load(client, page, {})
        assert len(loaded) > 5
        for path, response in loaded.items():
            assert response.status_code == 200, f"{page} loads {path}"
            assert path.startswith(root())
            assert response.headers["Content-Security-Policy"] == POLICY
            assert response.headers["Cache-Control"] == "no-cache"
            assert response.headers["Referrer-Policy"] == "no-referrer"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            kind = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}.get(path.rpartition(".")[2])
            assert response.headers["Content-Type"].startswith(kind or "text/html; charset=utf-8")
        assert "$" not in loaded[page].text, "a place that nothing fills"


async def test_pages_below_a_prefix_load_and_link_to_what_lies_below_it() -> None:
    async with application_with(API_PREFIX="/api/v2") as client:
        loaded = await load(client, "/api/v2/account", {})
    assert {response.status_code for response in loaded.values()} == {200}
    html = loaded["/api/v2/account"].text
    assert not re.findall(r'(?:href|src)="(?!/api/v2/account)[^#]', html)


async def test_the_login_page_weighs_little(client: AsyncClient) -> None:
    loaded = await load(client, f"{root()}/login", {})
    assert sum(len(response.content) for response in loaded.values()) <= 60_000


async def test_a_browser_that_has_the_newest_copy_gets_no_other(client: AsyncClient) -> None:
    for path in ("/account/login", "/account/files/account_pages/pages/style.css"):
        response = await client.get(path)
        etag = response.headers["ETag"]
        for matching in (etag, f'"other", {etag}', f"W/{etag}"):
            unchanged = await client.get(path, headers={"If-None-Match": matching})
            assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", etag)
        assert (await client.get(path, headers={"If-None-Match": '"older"'})).status_code == 200
        head = await client.head(path)
        assert (head.status_code, head.content, head.headers["ETag"]) == (200, b"", etag)


@pytest.mark.parametrize(
    "path",
    [
        "/account/",
        "/account/account",
        "/account/login/",
        "/account/login.html",
        "/account//login",
        "/account/LOGIN",
        "/account/login%00",
        "/account/..%2flogin",
        "/account/files",
        "/account/files/",
        "/account/files/account_pages/pages",
        "/account/files/account_pages/pages/",
        "/account/files/account_pages/pages/login.html",
        "/account/files/account_pages/pages/api.js/",
        "/account/files/account_pages/pages/API.JS",
        "/account/files/account_pages/pages/api.js%00",
        "/account/files/account_pages/pages/%2e/api.js",
        "/account/files/account_pages/pages//api.js",
        "/account/files//account_pages/pages/api.js",
        "/account/files/account_pages/pages/..%2f..%2f..%2fmodels.py",
        "/account/files/account_pages/pages/..%5c..%5cfeature.py",
        "/account/files/..%2f..%2fcore/config.py",
        "/account/files/%2e%2e/%2e%2e/%2e%2e/.env",
        "/account/files/..%252f..%252f..%252f.env",
        f"/account/files/{files.FEATURES}/account_pages/pages/api.js",
        "/account/files/%2fetc/passwd",
        "/account/files/__init__.py",
        "/account/files/account_pages/feature.py",
        "/account/files/account_pages/tests/helpers.py",
        "/account/files/account_pages/pages/../pages/api.js%3f",
        "/account/files/account_pages/pages/api.js;x",
    ],
)
async def test_nothing_else_is_served(client: AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert (response.status_code, response.json()) == (404, {"detail": "Not Found"})


async def test_password_managers_find_where_a_password_is_changed() -> None:
    for prefix in ("", "/api/v2"):
        async with application_with(API_PREFIX=prefix) as client:
            response = await client.get("https://api.example.com/.well-known/change-password")
        assert (response.status_code, response.headers["Location"]) == (303, f"{prefix}/account#password")


async def test_switched_off_nothing_is_there() -> None:
    async with application_with(ACCOUNT_PAGES="false") as client:
        for path in ("/account", "/account/login", "/account/files/account_pages/pages/api.js"):
            assert (await client.get(path)).status_code == 404
        url = "https://api.example.com/.well-known/change-password"
        assert (await client.get(url)).status_code == 404


async def test_only_named_origins_are_in_the_page(client: AsyncClient) -> None:
    assert 'data-origins="https://app.example.com"' in (await client.get("/account/login")).text
    with other_settings(BACKEND_CORS_ORIGINS="*,https://one.example,capacitor://localhost"):
        assert 'data-origins="https://one.example capacitor://localhost"' in (await client.get("/account/login")).text


@pytest.fixture
def loyalty_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A feature of a project's own with parts of pages and a page; a folder without a feature; nothing else."""
    (tmp_path / "account_pages").symlink_to(files.FEATURES / "account_pages")
    for folder in ("loyalty_points", "leftover"):
        piece = tmp_path / folder / "account_pages"
        piece.mkdir(parents=True)
        (piece / "account.html").write_text(f'<section id="{folder}">$project $pages</section>')
        (piece / "account.js").write_text(f"// {folder}")
        (piece / f"all-{folder}.html").write_text(f"<!doctype html>$scripts {folder}")
        (piece / f"all-{folder}.js").write_text("")
        (piece / "notes.txt").write_text("not for browsers")
    feature = SimpleNamespace(is_on=lambda: True)
    monkeypatch.setitem(sys.modules, "app.features.loyalty_points.feature", SimpleNamespace(loyalty_points=feature))
    monkeypatch.setattr(files, "FEATURES", tmp_path)
    monkeypatch.setattr(files, "PROJECT", {"name": "<Ours> & $pages"})
    files.read_files.cache_clear()
    yield feature
    files.read_files.cache_clear()


async def test_a_piece_of_a_feature_is_there_while_the_feature_is_on(
    client: AsyncClient, loyalty_points: SimpleNamespace
) -> None:
    account, script = await client.get("/account"), "/account/files/loyalty_points/account_pages/account.js"
    assert f'<section id="loyalty_points">&lt;Ours&gt; &amp; $pages {root()}</section>' in account.text
    assert account.text.index(script) < account.text.index("account_pages/pages/account.js")
    assert (await client.get(script)).text == "// loyalty_points"
    own = await client.get("/account/all-loyalty_points")
    assert f'src="{root()}/files/loyalty_points/account_pages/all-loyalty_points.js"' in own.text
    assert (await client.get("/account/files/loyalty_points/account_pages/notes.txt")).status_code == 404
    assert "leftover" not in account.text
    assert (await client.get("/account/all-leftover")).status_code == 404

    loyalty_points.is_on = lambda: False
    assert "loyalty_points" not in (await client.get("/account")).text
    for path in (script, "/account/all-loyalty_points"):
        assert (await client.get(path)).status_code == 404


async def test_in_development_a_reload_shows_what_was_changed(
    client: AsyncClient, loyalty_points: SimpleNamespace
) -> None:
    script = "/account/files/loyalty_points/account_pages/account.js"
    assert (await client.get(script)).text == "// loyalty_points"
    (files.FEATURES / "loyalty_points/account_pages/account.js").write_text("// changed")
    assert (await client.get(script)).text == "// loyalty_points", "read once"
    with other_settings(ENVIRONMENT="dev", DATABASE_URL=settings.sqlalchemy_url.render_as_string(hide_password=False)):
        assert (await client.get(script)).text == "// changed"
