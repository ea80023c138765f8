"""A rendered project passes its own tests, linter and type checker, whatever was chosen."""

import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from scaffolding import COMBINATIONS, FEATURE_SETS, PAIRED, installed_project, lint, make, run

# Not among the project's own tests because they are slow: they wait for timeouts or set up roles.
INSIDE = sorted((Path(__file__).parent / "inside").glob("test_*.py"))
WHOLE = ("all", "none")
# The other sets of features than all have their turn in `make test-all`.
SETS = [pytest.param(name, marks=() if name == "all" else pytest.mark.slow) for name in FEATURE_SETS]
# The core's tests of what features add to; its others don't depend on the features, and pass with all and with none.
NAMES = "config dependency_overrides http migrations openapi recent_login requirements rooms users_account"
OF_FEATURES = " ".join(["app/features", *(f"app/tests/test_{name}.py" for name in NAMES.split())])


@pytest.fixture
def installed(template: Path, environment: Path, tmp_path: Path) -> Iterator[Path]:
    with installed_project(template, environment, tmp_path) as project:
        yield project


@pytest.mark.parametrize("features", SETS)
def test_with_any_features_its_own_tests_pass_and_lint_is_clean(
    features: str, template: Path, environment: Path, tmp_path: Path
) -> None:
    with installed_project(template, environment, tmp_path, FEATURE_SETS[features]) as project:
        lint(project)
        if features in WHOLE:
            make(project, "test")
        elif FEATURE_SETS[features] not in PAIRED:
            result = run("make", "test", f"ARGS={OF_FEATURES}", cwd=project)
            assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
def test_its_servers_start_as_in_the_other_image(template: Path, environment: Path, tmp_path: Path) -> None:
    """The tests read nothing else that depends on an answer which isn't a feature."""
    with installed_project(template, environment, tmp_path, COMBINATIONS["uvicorn"]) as project:
        result = run("make", "test", "ARGS=app/tests/test_servers.py", cwd=project)
        assert result.returncode == 0, result.stdout


@pytest.mark.slow
def test_it_passes_the_slow_tests_of_the_template(installed: Path) -> None:
    for tests in INSIDE:
        shutil.copy(tests, installed / "app/tests")
    lint(installed)
    result = run("make", "test", f"ARGS={' '.join(f'app/tests/{path.name}' for path in INSIDE)}", cwd=installed)
    assert result.returncode == 0, result.stdout


@pytest.mark.slow
def test_a_hanging_test_fails_and_does_not_hold_up_others(installed: Path) -> None:
    hanging = """import asyncio

async def test_hangs(client): await asyncio.Event().wait()
async def test_goes_on(client): assert (await client.get("/health/live")).status_code == 200
"""
    options = tomllib.loads((installed / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert 0 < options["timeout"] <= 300
    (installed / "app/tests/test_hanging.py").write_text(hanging)
    # the time for a start on a busy machine, too: it counts as part of the first test
    result = run("make", "test", "ARGS=app/tests/test_hanging.py -o timeout=30", cwd=installed)
    assert "1 failed, 1 passed" in result.stdout
    assert "Timeout (>30.0s) from pytest-timeout" in result.stdout
