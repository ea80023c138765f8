"""The lines of docs/browser.md, second_factor.md and passkeys.md in a real Chromium, on several origins."""

import shutil
from pathlib import Path

import pytest
from browsing import Driver, pages
from documentation import blocks
from foreign import link_node_packages
from scaffolding import ALL, ROOT, read_env, run, scaffold
from serving import Api, free_port, served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("api"),
]  # it installs what drives the browser, and shares a server
PAGE = """<!doctype html><title>A page</title><body><script type="module">
import * as session from "./session.js";
window.session = session;
</script>"""


def compile_session(project: Path, folder: Path, api: str, *pages: str) -> None:
    """Make session.js of the lines that these pages have for it."""
    lines = [block.text for page in pages for block in blocks(project / page) if block.language == "typescript"]
    folder.mkdir()
    (folder / "index.html").write_text(PAGE)
    (folder / "session.ts").write_text("\n".join(lines).replace("https://api.example.com", api))
    options = ("--strict", "--target", "es2022", "--module", "esnext", "--lib", "dom,es2022")
    compiled = run("node_modules/.bin/tsc", *options, folder / "session.ts", cwd=folder.parent)
    assert compiled.returncode == 0, compiled.stdout


def test_the_documented_lines_tell_an_old_login_from_an_expired_token(template: Path, tmp_path: Path) -> None:
    """Without a browser, so that it runs wherever Node does."""
    link_node_packages(tmp_path, "typescript@5")
    folder = tmp_path / "lines"
    project = scaffold(template, tmp_path / "out", ALL)
    names = [f"docs/{name}.md" for name in ("browser", "second_factor", "passkeys")]
    compile_session(project, folder, "https://api.example.com", *names)
    (folder / "package.json").write_text('{"type": "module"}')
    shutil.copy(ROOT / "tests/clients/recent_login_lines.mjs", folder)

    result = run("node", "recent_login_lines.mjs", cwd=folder)

    assert result.returncode == 0, result.stderr


def test_the_documented_lines_log_in_refresh_and_log_out_in_a_browser(api: Api, tmp_path: Path) -> None:
    browser = Driver(tmp_path, "typescript@5")
    folder, port = tmp_path / "pages", free_port()
    compile_session(api.project, folder, f"http://localhost:{port}", "docs/browser.md")

    with pages(folder) as listed, pages(folder) as unlisted:
        origins = f"http://localhost:{listed},http://127.0.0.1:{listed}"
        settings: dict[str, object] = {
            "api": f"http://localhost:{port}",
            "listed": f"http://localhost:{listed}",
            "unlisted": f"http://localhost:{unlisted}",
            "elsewhere": f"http://127.0.0.1:{listed}",
            "attacker": f"http://127.0.0.1:{unlisted}",
            "username": api.email,
            "password": api.password,
        }
        # Without a leeway, two refreshes at once would end the session: the tabs have to take turns.
        with served(api.project, port, {"BACKEND_CORS_ORIGINS": origins, "REFRESH_TOKEN_LEEWAY": "0"}):
            steps = browser.drive("browser.mjs", settings)

    assert len(list((tmp_path / "screenshots").iterdir())) == len(steps) == 9


def test_the_documented_lines_log_in_with_a_code_and_with_a_passkey(api: Api, tmp_path: Path) -> None:
    browser = Driver(tmp_path, "typescript@5")
    folder, port = tmp_path / "pages", free_port()
    names = [f"docs/{name}.md" for name in ("browser", "second_factor", "passkeys")]
    compile_session(api.project, folder, f"http://localhost:{port}", *names)

    with pages(folder) as listed, served(api.project, port, {"BACKEND_CORS_ORIGINS": f"http://localhost:{listed}"}):
        settings: dict[str, object] = {
            "name": "lines",
            "api": f"http://localhost:{port}",
            "hosts": [f"localhost:{port}", f"localhost:{listed}"],
            "listed": f"http://localhost:{listed}",
            "python": str(api.project / ".venv/bin/python"),
            "database": read_env(api.project)["DATABASE_URL"],
        }
        assert len(browser.drive("second_factor_lines.mjs", settings)) == 3
