"""A rendered project passes its own tests, linter and type checker, whatever was chosen."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from scaffolding import installed_project, make, run

FAULTS = Path(__file__).parent / "inside" / "test_faults.py"


@pytest.fixture
def installed(combination: dict[str, str], template: Path, environment: Path, tmp_path: Path) -> Iterator[Path]:
    with installed_project(template, environment, tmp_path, combination) as project:
        yield project


def test_its_own_tests_pass(installed: Path) -> None:
    make(installed, "test")


def test_it_bears_the_faults_of_its_database(template: Path, environment: Path, tmp_path: Path) -> None:
    """Slow, as it waits for limits of time to pass, and so not among the project's own tests."""
    with installed_project(template, environment, tmp_path) as project:
        shutil.copy(FAULTS, project / "app/tests")
        make(project, "lint")
        result = run("make", "test", "ARGS=app/tests/test_faults.py", cwd=project)
        assert result.returncode == 0, result.stdout


def test_its_own_format_style_and_types_are_clean(installed: Path) -> None:
    make(installed, "lint")
