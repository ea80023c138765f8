"""The page /docs/second-factor in a real Chromium, whose virtual authenticator has the passkeys."""

import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from browsing import Driver
from scaffolding import read_env
from serving import Api


def drive(api: Api, folder: Path, script: str, port: int, **more: object) -> list[str]:
    """Run a script whose page may contact the API and no other host. SCREENSHOTS names a folder for its pictures."""
    name = script.removesuffix(".mjs")
    settings = {
        "name": name,
        "api": f"http://localhost:{port}",
        "hosts": [f"localhost:{port}", f"127.0.0.1:{port}"],
        "python": str(api.project / ".venv/bin/python"),
        "database": read_env(api.project)["DATABASE_URL"],
    }
    browser = Driver(folder, "jsqr@1")
    try:
        steps = browser.drive(script, settings | more)
        assert len(list((folder / "screenshots").iterdir())) == len(steps)
        return steps
    finally:
        if "SCREENSHOTS" in os.environ:
            shutil.copytree(folder / "screenshots", os.environ["SCREENSHOTS"], dirs_exist_ok=True)


def test_a_user_sets_up_uses_and_removes_an_app_and_passkeys_on_the_page(api: Api, tmp_path: Path) -> None:
    port = urlsplit(api.url).port
    assert port
    assert len(drive(api, tmp_path, "second_factor_page.mjs", port)) == 20
