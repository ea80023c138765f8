"""`make bench`: scaffold a project from this tree and compare it with the floor, which takes nine minutes.

`python benchmarks/bench.py [compare.py|growth.py] [configuration]`
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from running import run_to_the_end

HERE = Path(__file__).parent
TEMPLATE = HERE.parent
WORK = TEMPLATE / ".cache" / "benchmarks"
# What running the template in place leaves behind.
LEFTOVERS = (".git", ".venv", ".cache", "demo", ".env", ".postgres", "__pycache__", ".*_cache", ".coverage*")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in {"ARGS", "PYTHONDONTWRITEBYTECODE"}}


def scaffold(folder: Path) -> Path:
    template = folder / "template"
    shutil.copytree(TEMPLATE, template, ignore=shutil.ignore_patterns(*LEFTOVERS))
    cookiecutter = [sys.executable, "-m", "cookiecutter", "--no-input", "--default-config", "--output-dir", str(folder)]
    subprocess.run([*cookiecutter, str(template), "project_name=measured"], stdout=subprocess.DEVNULL, check=True)
    return folder / "measured"


def install(project: Path) -> Path:
    """The Python of a virtual environment with the project's locked packages, which is kept for the next run."""
    kept = WORK / "requirements-dev.txt"
    wanted = project / "requirements-dev.txt"
    if not kept.exists() or kept.read_bytes() != wanted.read_bytes():
        print("Installing what the project needs ...", file=sys.stderr)
        kept.unlink(missing_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", WORK / "venv"], check=True)
        pip = [str(WORK / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--require-hashes", "--requirement", str(wanted)], check=True)
        shutil.copy(wanted, kept)
    return WORK / "venv/bin/python"


def main() -> int:
    script, configuration = [*sys.argv[1:], *("compare.py", "bench.toml")[len(sys.argv) - 1 :]]
    WORK.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        project = scaffold(Path(folder))
        command = [install(project), HERE / script, HERE / configuration, project]
        return run_to_the_end(command, ENVIRONMENT)


if __name__ == "__main__":
    sys.exit(main())
