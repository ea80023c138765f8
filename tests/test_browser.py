"""docs/browser.md in a real Chromium: its lines, as they are, on pages of several origins."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from documentation import blocks
from foreign import node_with
from scaffolding import ROOT, run
from serving import Api, free_port, served

PAGE = """<!doctype html><title>A page</title><body><script type="module">
import * as session from "./session.js";
window.session = session;
</script>"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def pages(folder: Path) -> Iterator[int]:
    """The port at which the files of this folder are served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def test_the_documented_lines_log_in_refresh_and_log_out_in_a_browser(api: Api, tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("Chromium is not here")
    packages = node_with("playwright-core@1", "typescript@5")
    (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    (block,) = (block for block in blocks(api.project / "docs/browser.md") if block.language == "typescript")
    script = shutil.copy(ROOT / "tests/clients/browser.mjs", tmp_path)
    folder, screenshots, port = tmp_path / "pages", tmp_path / "screenshots", free_port()
    folder.mkdir()
    screenshots.mkdir()
    (folder / "index.html").write_text(PAGE)
    (folder / "session.ts").write_text(block.text.replace("https://api.example.com", f"http://localhost:{port}"))
    options = ("--strict", "--target", "es2022", "--module", "esnext", "--lib", "dom,es2022")
    compiled = run("node_modules/.bin/tsc", *options, folder / "session.ts", cwd=tmp_path)
    assert compiled.returncode == 0, compiled.stdout

    with pages(folder) as listed, pages(folder) as unlisted:
        origins = f"http://localhost:{listed},http://127.0.0.1:{listed}"
        settings = {
            "executablePath": chromium,
            "api": f"http://localhost:{port}",
            "listed": f"http://localhost:{listed}",
            "unlisted": f"http://localhost:{unlisted}",
            "elsewhere": f"http://127.0.0.1:{listed}",
            "attacker": f"http://127.0.0.1:{unlisted}",
            "username": api.email,
            "password": api.password,
            "screenshots": str(screenshots),
        }
        # Without a leeway, two refreshes at once would end the session: the tabs have to take turns.
        with served(api.project, port, {"BACKEND_CORS_ORIGINS": origins, "REFRESH_TOKEN_LEEWAY": "0"}):
            result = run("timeout", "240", "node", script, json.dumps(settings), cwd=tmp_path)

    assert result.returncode == 0, result.stdout + result.stderr
    assert len(list(screenshots.iterdir())) == result.stdout.count("\n") == 9
