"""docs/browser.md in a real Chromium: its lines, as they are, on pages of several origins."""

from pathlib import Path

from browsing import Driver, pages
from documentation import blocks
from scaffolding import run
from serving import Api, free_port, served

PAGE = """<!doctype html><title>A page</title><body><script type="module">
import * as session from "./session.js";
window.session = session;
</script>"""


def test_the_documented_lines_log_in_refresh_and_log_out_in_a_browser(api: Api, tmp_path: Path) -> None:
    browser = Driver(tmp_path, "typescript@5")
    (block,) = (block for block in blocks(api.project / "docs/browser.md") if block.language == "typescript")
    folder, port = tmp_path / "pages", free_port()
    folder.mkdir()
    (folder / "index.html").write_text(PAGE)
    (folder / "session.ts").write_text(block.text.replace("https://api.example.com", f"http://localhost:{port}"))
    options = ("--strict", "--target", "es2022", "--module", "esnext", "--lib", "dom,es2022")
    compiled = run("node_modules/.bin/tsc", *options, folder / "session.ts", cwd=tmp_path)
    assert compiled.returncode == 0, compiled.stdout

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
