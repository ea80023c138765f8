"""What tools and tests know about the template: where it is, how to copy and render it, in which environment."""

import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
# What running the template where it lies leaves behind; a clone has none of it.
LEFTOVERS = (".git", ".venv", ".cache", "demo", ".env", ".postgres", "__pycache__", ".*_cache", ".coverage*")
# What make and pytest tell those that they start is not meant for the make and pytest of a rendered project.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in {"ARGS", "PORT", "VENV", "MFLAGS"} and not name.startswith(("MAKE", "PYTEST_"))
}


def copy_template(folder: Path) -> Path:
    """Copy the template into a new folder as a clone would hold it, with the changes that are not committed yet."""
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFTOVERS))
    return folder


def render_command(folder: Path | str, *options: str, template: Path = ROOT) -> list[str]:
    """The command that renders a project into `folder`. Answers may follow (`name=answer`); the rest are defaults."""
    return [sys.executable, "-m", "cookiecutter", "--no-input", "--output-dir", str(folder), *options, str(template)]
