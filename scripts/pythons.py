"""Says what the locks lack on a Python: `make pythons ARGS="3.15"`.

It asks the package index for wheels for Linux, and those of a project for both processors that its images run on.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rendering import TEMPLATE

PROJECT = "{{cookiecutter.project_name}}"
X86, ARM = "x86_64-manylinux_2_28", "aarch64-manylinux_2_28"
LOCKS = {
    f"{PROJECT}/requirements.txt": (X86, ARM),
    f"{PROJECT}/requirements-dev.txt": (X86, ARM),
    "requirements-dev.txt": (X86,),
}
OFFERED: list[str] = json.loads((TEMPLATE / "cookiecutter.json").read_text())["python_version"]
NEXT = "3.15"


def resolve(lock: Path, python: str, platform: str) -> str:
    """Plan an installation of wheels alone; returns why it fails, else an empty text."""
    target = ("--target", "/nowhere", "--python-version", python, "--python-platform", platform)
    only = ("--dry-run", "--no-deps", "--require-hashes", "--only-binary", ":all:")
    command = (sys.executable, "-m", "uv", "pip", "install", "--quiet", *only, *target, "-r", str(lock))
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stderr if result.returncode else ""


def lacking(name: str, python: str) -> dict[str, str]:
    """The pins of a lock that have no wheel for this Python, with what uv says of each."""
    found: dict[str, str] = {}
    lock = TEMPLATE / name
    for platform in LOCKS[name]:
        if not resolve(lock, python, platform):
            continue
        with tempfile.TemporaryDirectory() as folder:
            for entry in re.split(r"(?m)^(?=\w)", lock.read_text(encoding="utf-8")):
                alone = Path(folder) / "one.txt"
                alone.write_text(entry, encoding="utf-8")
                if why := resolve(alone, python, platform):
                    found.setdefault(entry.partition(" ")[0], why)
    return found


def main() -> None:
    for python in sys.argv[1:] or [*OFFERED, NEXT]:
        for lock in LOCKS:
            without = ", ".join(lacking(lock, python))
            print(f"Python {python}, {lock}: " + (f"no wheels of {without}" if without else "complete"))


if __name__ == "__main__":
    main()
