"""Prints the README's table of features: what each adds to a project, in lines of Python and in packages."""

import json
import re
import subprocess
import tempfile
from pathlib import Path

from rendering import TEMPLATE, copy_template, render_command

QUESTIONS = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
FEATURES = [name for name, answer in QUESTIONS.items() if isinstance(answer, bool)]


def measure(template: Path, *chosen: str) -> tuple[int, int, int]:
    """Lines of the application, lines of its tests, and packages in the image."""
    with tempfile.TemporaryDirectory() as folder:
        answers = [f"{name}={'yes' if name in chosen else 'no'}" for name in FEATURES]
        command = [*render_command(template, Path(folder)), *answers]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        project = next(Path(folder).iterdir())
        code, tests = 0, 0
        for path in project.glob("app/**/*.py"):
            lines = len(path.read_text(encoding="utf-8").splitlines())
            code, tests = (code, tests + lines) if "tests" in path.parts else (code + lines, tests)
        packages = re.findall(r"(?m)^\w[^=]*==", (project / "requirements.txt").read_text(encoding="utf-8"))
        return code, tests, len(packages)


def table(template: Path) -> str:
    bare = measure(template)
    rows = ["| | lines of the application | of its tests | packages |", "|---|---:|---:|---:|"]
    rows.append(f"| none of them | {bare[0]:,} | {bare[1]:,} | {bare[2]} |")
    for name in FEATURES:
        more = [with_it - without for with_it, without in zip(measure(template, name), bare, strict=True)]
        rows.append(f"| `{name}` | + {more[0]:,} | + {more[1]:,} | + {more[2]} |")
    everything = measure(template, *FEATURES)
    rows.append(f"| all | {everything[0]:,} | {everything[1]:,} | {everything[2]} |")
    return "\n".join(rows)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as clone:
        print(table(copy_template(Path(clone))))
