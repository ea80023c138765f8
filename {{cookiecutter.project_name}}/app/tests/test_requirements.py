"""What is installed is what pyproject.toml asks for."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from app.core.config import PROJECT_DIR

PYPROJECT = tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text())
NEEDED = PYPROJECT["project"]["dependencies"]


@pytest.mark.parametrize(
    ("name", "needed"),
    [("requirements.txt", NEEDED), ("requirements-dev.txt", NEEDED + PYPROJECT["dependency-groups"]["dev"])],
)
def test_requirements_satisfy_pyproject(name: str, needed: list[str]) -> None:
    pins = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", (PROJECT_DIR / name).read_text(), re.MULTILINE))
    missing = [
        requirement
        for requirement in map(Requirement, needed)
        if (pin := pins.get(canonicalize_name(requirement.name))) is None or pin not in requirement.specifier
    ]

    assert not missing, f"run `make lock` to update {name}"
