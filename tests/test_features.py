"""A feature comes with a folder and two lines, and goes with them."""

import re
import shutil
from pathlib import Path

import pytest
from scaffolding import ALL, features, installed_project, lint, make, run

pytestmark = pytest.mark.slow
VISITS = Path(__file__).parent / "inside/feature/visits"
SETTING = """## Visits

| variable | default | what it is |
|---|---|---|
| `VISITS_PER_ACCOUNT` | `1000` | How often an account may log in. |

"""


def commit(project: Path) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.example")
    for command in (("add", "."), (*identity, "commit", "--quiet", "--message", "State")):
        result = run("git", *command, cwd=project)
        assert result.returncode == 0, result.stderr


def changed(project: Path) -> set[str]:
    """The files and folders that differ from the last commit."""
    listed = run("git", "status", "--porcelain", cwd=project).stdout.splitlines()
    return {line[3:] for line in listed if line[3:] != ".venv"}


def migrate(project: Path, name: str) -> str:
    """Write a migration with this name and run it; returns what was written."""
    before = {*project.glob("alembic/versions/*.py")}
    written = run("make", "migration", f"name={name}", cwd=project)
    assert written.returncode == 0, written.stdout + written.stderr
    make(project, "migrate")
    (migration,) = {*project.glob("alembic/versions/*.py")} - before
    return migration.read_text()


def add_lines(path: Path, before: str, lines: str) -> None:
    text = path.read_text()
    assert text.count(before) == 1, path
    path.write_text(text.replace(before, lines + before))


def drop(path: Path, pattern: str) -> None:
    text, places = re.subn(pattern, "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert places, path
    path.write_text(text)


def test_a_feature_of_a_page_comes_with_its_folder_and_two_lines(
    template: Path, environment: Path, tmp_path: Path
) -> None:
    with installed_project(template, environment, tmp_path, features("mail")) as project:
        commit(project)
        shutil.copytree(VISITS, project / "app/features/visits", ignore=shutil.ignore_patterns("__pycache__"))
        registry = project / "app/features/__init__.py"
        add_lines(registry, "\nFEATURES", "from app.features.visits.feature import visits\n")
        add_lines(registry, "\n]", "\n    visits,")
        add_lines(project / ".env.example", "## Shutdown\n", "## Visits\n\nVISITS_PER_ACCOUNT=1000\n\n")
        add_lines(project / "docs/settings.md", "## Shutdown\n", SETTING)

        assert 'op.create_table(\n        "visits"' in migrate(project, "add visits")

        assert {name for name in changed(project) if not name.startswith("alembic/versions/")} == {
            "app/features/visits/",
            "app/features/__init__.py",
            ".env.example",
            "docs/settings.md",
        }
        lint(project)
        tests = "app/features/visits app/tests/test_rooms.py app/tests/test_config.py app/tests/test_openapi.py"
        result = run("make", "test", f"ARGS={tests}", cwd=project)
        assert result.returncode == 0, result.stdout


def test_a_feature_goes_with_its_folders_two_lines_and_a_page(
    template: Path, environment: Path, tmp_path: Path
) -> None:
    """By hand, as docs/upgrades.md says."""
    with installed_project(template, environment, tmp_path, ALL) as project:
        make(project, "migrate")
        for folder in [*project.glob("app/**/passkeys")]:
            shutil.rmtree(folder)
        drop(project / "app/features/__init__.py", r"^[^\n]*\bpasskeys\b[^\n]*\n")
        (project / "docs/passkeys.md").unlink()
        for name in ("docs/settings.md", ".env.example"):
            drop(project / name, r"^## Passkeys\n.*?(?=^## )")
        drop(project / ".env", r"^## Passkeys\n.*?(?=^## )")

        assert 'op.drop_table("passkeys")' in migrate(project, "remove passkeys")

        lint(project)
        make(project, "test")
