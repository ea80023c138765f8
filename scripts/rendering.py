"""How the template's tools and tests render a project, and with which environment they run its commands."""

import os
import shutil
import sys
from pathlib import Path

TEMPLATE = Path(__file__).parent.parent
# What running the template where it lies leaves behind; a clone has none of it.
LEFTOVERS = (
    ".git",
    ".venv",
    "uv.lock",
    ".cache",
    "demo",
    ".env",
    ".postgres",
    ".mail",
    "openapi.json",
    "__pycache__",
    ".*_cache",
    ".coverage*",
)
# Without what `make` and pytest tell the programs that they start: a project has its own make and pytest. And with
# bytecode, whatever this shell says: each of a project's many processes would compile it all again.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in {"ARGS", "PORT", "VENV", "MFLAGS", "PYTHONDONTWRITEBYTECODE"}
    and not name.startswith(("MAKE", "PYTEST_"))
}


def copy_template(folder: Path) -> Path:
    """The template as a clone would hold it, with the changes that are not committed yet."""
    return Path(shutil.copytree(TEMPLATE, folder / "template", ignore=shutil.ignore_patterns(*LEFTOVERS)))


def render_command(template: Path, folder: Path, *options: str) -> list[str]:
    """Renders a project into `folder`; questions are not asked, and `name=answer` may follow."""
    return [sys.executable, "-m", "cookiecutter", "--no-input", "--output-dir", str(folder), *options, str(template)]
