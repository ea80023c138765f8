"""`make bench`: scaffolds a project from this tree and measures it beside the floor; nine minutes.

`python -m benchmarks.bench [compare.py|growth.py] [configuration]`
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts import template
from scripts.running import run_to_the_end

HERE = Path(__file__).parent
WORK = template.ROOT / ".cache" / "benchmarks"
ENVIRONMENT = {name: value for name, value in template.ENVIRONMENT.items() if name != "PYTHONDONTWRITEBYTECODE"}


def scaffold(folder: Path) -> Path:
    copy = template.copy_template(folder / "template")
    command = template.render_command(folder, "--default-config", template=copy)
    subprocess.run([*command, "project_name=measured"], stdout=subprocess.DEVNULL, check=True)
    return folder / "measured"


def install(project: Path) -> Path:
    """The Python of a virtual environment with what the project locks, kept for the next time."""
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
