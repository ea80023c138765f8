import shutil
from pathlib import Path

import pytest
from scaffolding import COMBINATIONS, ROOT, scaffold

# What running the template where it lies leaves behind; a clone has none of it.
LEFTOVERS = (".git", ".venv", ".cache", "demo", ".env", ".postgres", "__pycache__", ".*_cache", ".coverage*")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a clone would hold it, with the changes that are not committed yet."""
    copy = tmp_path_factory.mktemp("the template") / "template"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFTOVERS))
    return copy


@pytest.fixture(scope="session", params=COMBINATIONS)
def combination(request: pytest.FixtureRequest) -> dict[str, str]:
    """The answers of one supported combination, those left at their defaults not among them."""
    return COMBINATIONS[request.param]


@pytest.fixture(scope="session")
def project(combination: dict[str, str], template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered project, to look at: the tests leave it as it is."""
    return scaffold(template, tmp_path_factory.mktemp("rendered") / "out", combination)
