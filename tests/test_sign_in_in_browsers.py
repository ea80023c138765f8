"""Sign-in with others, through the account pages in a real Chromium, at a provider that others wrote and certified."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browsing import Driver
from scaffolding import read_env
from serving import Api, free_port, served

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("api")]  # it installs packages, and shares a server


def test_people_log_in_with_a_certified_provider_and_with_github(api: Api, tmp_path: Path) -> None:
    port, issuer, github = free_port(), f"http://localhost:{free_port()}", f"http://localhost:{free_port()}"
    settings = {
        "PUBLIC_URL": f"http://localhost:{port}",
        "MAIL_SENDER": "process",
        "SIGN_IN__COMPANY__ISSUER": issuer,
        "SIGN_IN__COMPANY__CLIENT_ID": "us",
        "SIGN_IN__COMPANY__CLIENT_SECRET": "a secret",
        "SIGN_IN__GITHUB__ISSUER": github,
        "SIGN_IN__GITHUB__CLIENT_ID": "us",
        "SIGN_IN__GITHUB__CLIENT_SECRET": "a secret",
    }
    with served(api.project, port, settings) as own:
        lines = Driver(tmp_path, "oidc-provider@9", "axe-core@4", "jsqr@1").drive(
            "sign_in.mjs",
            {
                "name": "sign_in",
                "api": own.url,
                "issuer": issuer,
                "github": github,
                "callback": f"{own.url}/auth/providers/company/callback",
                "hosts": [*(urlsplit(url).netloc for url in (own.url, issuer, github)), "fonts.googleapis.com"],
                "python": str(api.project / ".venv/bin/python"),
                "database": read_env(api.project)["DATABASE_URL"],
            },
        )
    assert len([line for line in lines if line.startswith("sign_in-")]) == 8  # the provider prints warnings
