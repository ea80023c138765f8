"""A rendered project passes its own tests, linter and type checker, whatever was chosen."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from scaffolding import installed_project, make, run

SLOW = sorted((Path(__file__).parent / "inside").glob("test_*.py"))


@pytest.fixture
def installed(combination: dict[str, str], template: Path, environment: Path, tmp_path: Path) -> Iterator[Path]:
    with installed_project(template, environment, tmp_path, combination) as project:
        yield project


def test_its_own_tests_pass(installed: Path) -> None:
    make(installed, "test")


def test_it_bears_failures_and_floods(template: Path, environment: Path, tmp_path: Path) -> None:
    """Slow, as they wait for limits of time to pass or start servers, and so not among the project's own tests."""
    with installed_project(template, environment, tmp_path) as project:
        for path in SLOW:
            shutil.copy(path, project / "app/tests")
        make(project, "lint")
        files = " ".join(f"app/tests/{path.name}" for path in SLOW)
        result = run("make", "test", f"ARGS={files}", cwd=project)
        assert result.returncode == 0, result.stdout


def test_its_own_format_style_and_types_are_clean(installed: Path) -> None:
    make(installed, "lint")
