"""Schemathesis, with all of its checks, finds nothing wrong with a running project."""

import shutil
import sys
from pathlib import Path

import pytest
from scaffolding import PATIENCE, ROOT, run
from serving import free_port, initialised_project, served

pytestmark = pytest.mark.slow
SETTINGS = {"TRUSTED_PROXIES": "127.0.0.1"}  # so that each request can come from an address of its own


def test_schemathesis_finds_nothing(template: Path, environment: Path, tmp_path: Path) -> None:
    with initialised_project(template, environment, tmp_path) as project:
        work = shutil.copytree(ROOT / "tests/contract", tmp_path / "contract")  # where it leaves what it has seen
        with served(project, free_port(), SETTINGS) as api:
            result = run(
                *(Path(sys.executable).with_name("st"), "run", f"{api.url}/openapi.json"),
                *("--max-examples", "25", "--generation-deterministic", "--request-timeout", str(PATIENCE)),
                cwd=work,
                environment={"API_URL": api.url, "API_USER": api.email, "API_PASSWORD": api.password},
            )
        assert result.returncode == 0, result.stdout + result.stderr
