"""Virtual environments of rendered projects: each lock's is made once, and kept in .cache for the next run."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rendering import ENVIRONMENT, TEMPLATE

CACHE = TEMPLATE / ".cache" / "environments"


def whole_environment(slot: Path) -> Path:
    """The environment of the lock with everything, which `make` installs there."""
    home = CACHE / digest(slot / "requirements-dev.txt")
    with made_once(home) as is_needed:
        if is_needed:
            for name in ("Makefile", "requirements-dev.txt", "pyproject.toml"):
                shutil.copy(slot / name, home)
            succeed("make", ".venv/.installed", cwd=home)
            for outdated in CACHE.glob("*/"):
                if not outdated.name.startswith(home.name):
                    shutil.rmtree(outdated)
    return home / ".venv"


def environment_for(lock: Path, whole: Path) -> Path:
    """The environment of this lock: `whole`, or hard links to its files without the packages that it doesn't name."""
    unneeded = pins(whole.with_name(lock.name)) - pins(lock)
    if not unneeded:
        return whole
    home = CACHE / f"{whole.parent.name}-{digest(lock)}"
    with made_once(home) as is_needed:
        if is_needed:
            shutil.copytree(whole, home / ".venv", symlinks=True, copy_function=os.link)
            python = home / ".venv/bin/python"
            names = sorted(pin.partition("==")[0] for pin in unneeded)
            succeed(python, "-m", "pip", "uninstall", "--quiet", "--yes", *names)
            succeed(python, "-m", "pip", "check")
    return home / ".venv"


@contextmanager
def made_once(home: Path) -> Iterator[bool]:
    """An empty folder to be filled, unless it is there already; other workers wait meanwhile."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        is_needed = not (home / "complete").exists()
        if is_needed:
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
        yield is_needed
        (home / "complete").touch()


def digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:16]


def pins(lock: Path) -> set[str]:
    return set(re.findall(r"^[a-z0-9-]+==[^\s;]+", lock.read_text(), re.MULTILINE))


def succeed(*command: str | Path, cwd: Path | None = None) -> None:
    result = subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
