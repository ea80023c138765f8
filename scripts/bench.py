"""`make bench`: scaffold a project from this tree and compare it with the floor, which takes nine minutes.

`python scripts/bench.py [compare.py|growth.py|layers.py] [configuration] [revision ...]` measures projects of these Git
revisions, too.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from features import FEATURES
from rendering import ENVIRONMENT, TEMPLATE, copy_template, render_command
from running import run_to_the_end

BENCHMARKS = TEMPLATE / "benchmarks"
WORK = TEMPLATE / ".cache" / "benchmarks"
NAME = 'name = "project"'  # in bench.toml


def scaffold(template: Path, folder: Path, *answers: str) -> Path:
    render = render_command(template, folder, "--default-config")
    subprocess.run([*render, "project_name=measured", *answers], stdout=subprocess.DEVNULL, check=True)
    (folder / "measured/.env").unlink(missing_ok=True)  # the configuration has all settings
    return folder / "measured"


def template_of(revision: str, folder: Path) -> Path:
    folder.mkdir()
    archive = subprocess.run(["git", "archive", revision], cwd=TEMPLATE, stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "--extract"], cwd=folder, input=archive, check=True)
    return folder


def with_others(configuration: Path, template: Path, revisions: list[str], folder: Path) -> Path:
    """The configuration, with its first project once more without features, and once more for each revision."""
    text, separator = configuration.read_text(), "[[projects]]"
    project = text.split(separator)[1]
    others = {}
    if NAME in project:  # another configuration has projects of its own
        without_features = scaffold(template, folder / "without_features", *(f"{name}=no" for name in FEATURES))
        others["without_features"] = f'has_features = false\nfolder = "{without_features}"'
    for revision in revisions:
        older = folder / revision
        older.mkdir()
        place = scaffold(template_of(revision, older / "template"), older)
        others[revision] = f'folder = "{place}"\npython = "{install(place, WORK / revision)}"'
    for name, lines in others.items():
        text += separator + project.replace(NAME, f'name = "{name}"\n{lines}')
    (folder / "bench.toml").write_text(text)
    return folder / "bench.toml"


def install(project: Path, work: Path = WORK) -> Path:
    """The Python of a virtual environment with the project's locked packages, which is kept for the next run."""
    work.mkdir(parents=True, exist_ok=True)
    kept = work / "requirements-dev.txt"
    wanted = project / "requirements-dev.txt"
    if not kept.exists() or kept.read_bytes() != wanted.read_bytes():
        print("Installing what the project needs ...", file=sys.stderr)
        kept.unlink(missing_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", work / "venv"], check=True)
        pip = [str(work / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--require-hashes", "--requirement", str(wanted)], check=True)
        shutil.copy(wanted, kept)
    return work / "venv/bin/python"


def main() -> int:
    script, configuration, *revisions = [*sys.argv[1:], *("compare.py", "bench.toml")[len(sys.argv) - 1 :]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        template = copy_template(folder)
        project = scaffold(template, folder)
        measured = with_others(BENCHMARKS / configuration, template, revisions, folder)
        return run_to_the_end([install(project), BENCHMARKS / script, measured, project], ENVIRONMENT)


if __name__ == "__main__":
    sys.exit(main())
