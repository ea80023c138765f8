import fcntl
import hashlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rendering import copy_template
from scaffolding import ALL, COMBINATIONS, FEATURE_SETS, ROOT, make, run, scaffold
from serving import Api, free_port, initialised_project, served


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a clone would hold it, with the changes that are not committed yet."""
    return copy_template(tmp_path_factory.mktemp("the template"))


@pytest.fixture(scope="session", params=COMBINATIONS)
def combination(request: pytest.FixtureRequest) -> dict[str, str]:
    """The answers of one supported combination, without those left at their defaults."""
    return COMBINATIONS[request.param]


@pytest.fixture(scope="session")
def project(combination: dict[str, str], template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered project that the tests only read."""
    return scaffold(template, tmp_path_factory.mktemp("rendered") / "out", combination)


@pytest.fixture(scope="session", params=FEATURE_SETS)
def answers(request: pytest.FixtureRequest) -> dict[str, str]:
    """Which features are chosen."""
    return FEATURE_SETS[request.param]


@pytest.fixture(scope="session")
def featured(answers: dict[str, str], template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered project with these features that the tests only read."""
    return scaffold(template, tmp_path_factory.mktemp("featured") / "out", answers)


@pytest.fixture(scope="session")
def environment(template: Path) -> Path:
    """The virtual environment with the packages of all features, which all rendered projects share.

    It is created once, and kept for the next run.
    """
    requirements = (template / "{{cookiecutter.project_name}}/requirements-dev.txt").read_bytes()
    home = ROOT / ".cache" / hashlib.sha256(requirements + sys.version.encode()).hexdigest()[:16]
    home.parent.mkdir(exist_ok=True)
    with (home.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # wait while another worker creates it
        if not (home / "complete").exists():
            for outdated in home.parent.glob("?" * 16 + "/"):  # what foreign.py has installed stays
                shutil.rmtree(outdated)
            make(scaffold(template, home / "project", ALL), ".venv/.installed")
            (home / "complete").touch()
    return home / "project/my-api/.venv"


@pytest.fixture(scope="session")
def api(template: Path, environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A served project with all features, whose access tokens others can verify."""
    with initialised_project(template, environment, tmp_path_factory.mktemp("served")) as project:
        port = free_port()
        key = run("make", "--silent", "jwt-key", cwd=project).stdout.strip()
        with served(project, port, {"JWT_PRIVATE_KEY": key, "PUBLIC_URL": f"http://localhost:{port}"}) as api:
            yield api
