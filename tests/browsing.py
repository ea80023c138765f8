"""A real Chromium, or the test is skipped and says why; a script of Node that drives it; and pages to open in it."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from foreign import link_node_packages
from scaffolding import ROOT, run

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


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


class Driver:
    """Runs scripts of tests/clients in a folder, with what they import and Chromium's path."""

    def __init__(self, folder: Path, *packages: str) -> None:
        paths = [path for path in map(shutil.which, BROWSERS) if path]
        if not paths:
            pytest.skip("Chromium is not here")
        self.chromium, self.folder = paths[0], folder
        link_node_packages(folder, "playwright-core@1", *packages)

    def drive(self, script: str, settings: dict[str, object]) -> list[str]:
        """Return the lines that the script prints, one for each step; it has made a picture of each, too."""
        for path in (ROOT / "tests/clients").glob("*.mjs"):
            shutil.copy(path, self.folder)
        screenshots = self.folder / "screenshots"
        screenshots.mkdir(exist_ok=True)
        given = settings | {"executablePath": self.chromium, "screenshots": str(screenshots)}
        result = run("timeout", "1200", "node", script, json.dumps(given), cwd=self.folder)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout.splitlines()
