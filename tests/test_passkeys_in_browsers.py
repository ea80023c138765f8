"""Passkeys in a real Chromium with a virtual authenticator: from which pages they work, and that no copy does."""

import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browsing import Driver, pages
from scaffolding import read_env, run
from serving import Api, free_port, served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("api"),
]  # it installs what drives the browser, and shares a server


def drive(api: Api, folder: Path, script: str, *others: str, **more: object) -> int:
    """How many steps the script took, on pages that contact the API, these other hosts and nobody else.

    SCREENSHOTS may name a folder for a picture of each step.
    """
    browser = Driver(folder)
    host = urlsplit(api.url).netloc
    settings = {
        "name": script.removesuffix(".mjs"),
        "api": api.url,
        "hosts": [host, host.replace("localhost", "127.0.0.1"), *others],
        "python": str(api.project / ".venv/bin/python"),
        "database": read_env(api.project)["DATABASE_URL"],
    }
    try:
        steps = browser.drive(script, settings | more)
    finally:
        if "SCREENSHOTS" in os.environ:
            shutil.copytree(folder / "screenshots", os.environ["SCREENSHOTS"], dirs_exist_ok=True)
    assert len(list((folder / "screenshots").iterdir())) == len(steps)
    return len(steps)


def test_a_passkey_works_at_listed_origins_only_and_no_copy_of_it_does(api: Api, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html><title>A page</title><p>A page of another origin")
    port, other = free_port(), free_port()
    public_url = {"PUBLIC_URL": f"http://localhost:{port}"}
    with (
        pages(folder) as listed,
        served(api.project, port, public_url | {"BACKEND_CORS_ORIGINS": f"http://localhost:{listed}"}) as own,
        # The same API once more, at an origin that PUBLIC_URL and BACKEND_CORS_ORIGINS don't name.
        served(api.project, other, public_url | {"API_PREFIX": "/api/v1"}) as unlisted,
    ):
        hosts = (f"localhost:{listed}", f"localhost:{other}")
        more = {
            "elsewhere": f"{unlisted.url}/api/v1",
            "listed": f"http://localhost:{listed}",
            "logs": [str(api.project / f"server-{each}.log") for each in (port, other)],
        }
        assert drive(own, tmp_path, "passkeys.mjs", *hosts, **more) == 5


def test_a_passkey_works_at_related_origins(api: Api, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("OpenSSL is not here")
    pem, port, tls_port = tmp_path / "api.test.pem", free_port(), free_port()
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", pem)
    made = run("openssl", "req", "-x509", *key, "-out", tmp_path / "certificate", "-subj", "/CN=api.test")
    assert made.returncode == 0, made.stderr
    pem.write_text(pem.read_text() + (tmp_path / "certificate").read_text())
    arguments = ["--ignore-certificate-errors", f"--host-resolver-rules=MAP *:443 127.0.0.1:{tls_port}"]
    origins = {"PUBLIC_URL": "https://api.test", "BACKEND_CORS_ORIGINS": "https://app.example"}
    with served(api.project, port, origins) as own:
        hosts = ("api.test", "app.example", "evil.example")
        more = {"arguments": arguments, "certificate": str(pem), "tlsPort": tls_port, "apiPort": port}
        assert drive(own, tmp_path, "related_origins.mjs", *hosts, **more) == 2
