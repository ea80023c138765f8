"""A rendered project passes its own tests, linter and type checker, whatever was chosen."""

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from scaffolding import ROOT, run, scaffold


def make(project: Path, target: str) -> None:
    result = run("make", target, cwd=project)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="session")
def environment(template: Path) -> Path:
    """The virtual environment of all rendered projects, as all require the same: made once, kept for the next run."""
    requirements = (template / "{{cookiecutter.project_name}}/requirements-dev.txt").read_bytes()
    home = ROOT / ".cache" / hashlib.sha256(requirements + sys.version.encode()).hexdigest()[:16]
    home.parent.mkdir(exist_ok=True)
    with (home.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # while another worker makes it
        if not (home / "complete").exists():
            for outdated in home.parent.glob("*/"):
                shutil.rmtree(outdated)
            make(scaffold(template, home / "project"), ".venv/.installed")
            (home / "complete").touch()
    return home / "project/my-api/.venv"


@pytest.fixture
def installed(combination: dict[str, str], template: Path, environment: Path, tmp_path: Path) -> Iterator[Path]:
    """A rendered project in a folder with a space in its name; its databases are stopped afterwards."""
    project = scaffold(template, tmp_path / "my projects", combination)
    (project / ".venv").symlink_to(environment)
    os.utime(
        project / "requirements-dev.txt", (0, 0)
    )  # older than the environment, so that make has nothing to install
    yield project
    make(project, "stop")


def test_its_own_tests_pass(installed: Path) -> None:
    make(installed, "test")


def test_its_own_format_style_and_types_are_clean(installed: Path) -> None:
    make(installed, "lint")
