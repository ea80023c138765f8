"""A rendered project passes its own tests, linter and type checker, whatever was chosen."""

import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from scaffolding import installed_project, make, run

# Not among the project's own tests because they are slow: they wait for timeouts or set up roles.
INSIDE = sorted((Path(__file__).parent / "inside").glob("test_*.py"))


@pytest.fixture
def installed(combination: dict[str, str], template: Path, environment: Path, tmp_path: Path) -> Iterator[Path]:
    with installed_project(template, environment, tmp_path, combination) as project:
        yield project


def test_its_own_tests_pass(installed: Path) -> None:
    make(installed, "test")


@pytest.mark.parametrize("tests", INSIDE, ids=lambda path: path.stem)
def test_it_passes_the_slow_tests_of_the_template(
    template: Path, environment: Path, tmp_path: Path, tests: Path
) -> None:
    with installed_project(template, environment, tmp_path) as project:
        shutil.copy(tests, project / "app/tests")
        make(project, "lint")
        result = run("make", "test", f"ARGS=app/tests/{tests.name}", cwd=project)
        assert result.returncode == 0, result.stdout


def test_a_hanging_test_fails_and_does_not_hold_up_others(template: Path, environment: Path, tmp_path: Path) -> None:
    hanging = """import asyncio

async def test_hangs(client): await asyncio.Event().wait()
async def test_goes_on(client): assert (await client.get("/health/live")).status_code == 200
"""
    with installed_project(template, environment, tmp_path) as project:
        assert tomllib.loads((project / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["timeout"] <= 60
        (project / "app/tests/test_hanging.py").write_text(hanging)
        result = run("make", "test", "ARGS=app/tests/test_hanging.py -o timeout=5", cwd=project)
        assert "1 failed, 1 passed" in result.stdout
        assert "Timeout (>5.0s) from pytest-timeout" in result.stdout


def test_its_own_format_style_and_types_are_clean(installed: Path) -> None:
    make(installed, "lint")
