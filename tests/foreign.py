"""What others wrote and a served project has to please: installed once, or the test is skipped and says why."""

import fcntl
import hashlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from scaffolding import ROOT, run

CACHE = ROOT / ".cache"


def python_with(*requirements: str) -> Path:
    """The Python of a virtual environment with these packages."""

    def install(home: Path) -> str:
        made = run(sys.executable, "-m", "venv", home)
        if made.returncode:
            return made.stderr
        pip = (home / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        return failure_of(*pip, *requirements)

    return installed("foreign-python", requirements, install) / "bin/python"


def link_node_packages(folder: Path, *packages: str) -> None:
    """Let Node find these packages, such as `typescript@5`, in this folder, and their commands in node_modules/.bin.

    Each is installed once for all tests and runs, however they are combined.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node and npm are not here")

    def install(home: Path) -> str:
        (home / "package.json").write_text('{"private": true, "type": "module"}')
        return failure_of("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", package, folder=home)

    for package in packages:
        modules = installed("foreign-node", (package,), install) / "node_modules"
        name = package.rpartition("@")[0]
        for path in (modules / name, *(modules / ".bin").glob("*")):
            link = folder / "node_modules" / path.relative_to(modules)
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():  # two packages may bring the same command
                link.symlink_to(path)


def failure_of(*command: str | Path, folder: Path | None = None) -> str:
    result = run("timeout", "900", *command, cwd=folder)
    return (result.stderr or "it took longer than 15 minutes") if result.returncode else ""


def installed(kind: str, packages: tuple[str, ...], install: Callable[[Path], str]) -> Path:
    """The folder that `install` has filled, now or in an earlier run. It returns why it could not, or nothing."""
    home = CACHE / f"{kind}-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:16]}"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # while another worker installs
        if not (home / "complete").exists():
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            if why := install(home):
                pytest.skip(f"{', '.join(packages)} can't be installed: {why.strip().splitlines()[-1]}")
            (home / "complete").touch()
    return home
