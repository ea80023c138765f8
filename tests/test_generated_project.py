"""A rendered project passes its own tests, linter and type checker, whatever was chosen."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from scaffolding import installed_project, make


@pytest.fixture
def installed(combination: dict[str, str], template: Path, environment: Path, tmp_path: Path) -> Iterator[Path]:
    with installed_project(template, environment, tmp_path, combination) as project:
        yield project


def test_its_own_tests_pass(installed: Path) -> None:
    make(installed, "test")


def test_its_own_format_style_and_types_are_clean(installed: Path) -> None:
    make(installed, "lint")
