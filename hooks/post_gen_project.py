"""Keeps the chosen files, makes the secrets, and starts a Git repository. Safe to repeat, as cruft does."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

CHOSEN_LICENSE = Path("variants/license", {{cookiecutter.license | tojson}})
CHOSEN_SERVER = Path("variants/web_server", {{cookiecutter.web_server | tojson}})
TEMPLATE = {{cookiecutter._repo_dir | default("") | tojson}}  # cruft renders from a fresh clone, and doesn't set it


def keep_chosen_files() -> None:
    CHOSEN_LICENSE.replace("LICENSE")
    for file in CHOSEN_SERVER.iterdir():
        file.replace(file.name)
    shutil.rmtree("variants")


def drop_leftovers() -> None:
    """Remove what cookiecutter copied along if the project has been run inside the template: secrets, caches."""
    for slot in Path(TEMPLATE).glob("*cookiecutter.project_name*") if TEMPLATE else ():
        for pattern in (".env", ".venv", ".postgres", ".mail", ".*_cache", ".coverage*", "**/__pycache__"):
            for leftover in [path.relative_to(slot) for path in slot.glob(pattern)]:
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)


def start_repository() -> None:
    """Leave the first commit to the user. A project inside another repository belongs to that one."""
    git = shutil.which("git")
    if git is None:
        return
    inside = subprocess.run([git, "rev-parse", "--is-inside-work-tree"], capture_output=True, check=False)
    if inside.returncode != 0:
        subprocess.run([git, "-c", "init.defaultBranch=main", "init", "--quiet"], capture_output=True, check=False)


keep_chosen_files()
drop_leftovers()
for script in Path().glob("*.sh"):
    script.chmod(0o755)  # a template from a zip archive has lost its file modes
subprocess.run([sys.executable, "scripts/make_env.py"], check=True, stdout=subprocess.DEVNULL)
start_repository()
print(f"\nYour project is ready. Next:\n\n    cd {shlex.quote(str(Path.cwd()))}\n    make dev\n")
