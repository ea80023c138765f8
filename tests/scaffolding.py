"""What the tests share: the supported combinations of answers, and how a project is rendered."""

import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from environments import environment_for
from rendering import ENVIRONMENT, TEMPLATE, render_command

ROOT = TEMPLATE
PATIENCE = 300  # seconds for what takes a few on an idle machine

# Not every product of the choices, but every choice at least once.
COMBINATIONS: dict[str, dict[str, str]] = {
    "defaults": {},
    "uvicorn": {
        "license": "BSD-3-Clause",
        "python_version": "3.13",
        "postgres_version": "17",
        "web_server": "uvicorn",
    },
    "oldest": {"license": "Apache-2.0", "python_version": "3.12", "postgres_version": "16"},
    "copyleft": {"license": "GPL-3.0", "python_version": "3.13", "web_server": "uvicorn"},
    "closed": {"license": "Proprietary", "postgres_version": "17"},
}

FEATURES = ("mail", "second_factor", "passkeys", "account_pages", "sign_in", "api_keys")
DERIVED = {"superuser_factor": {"second_factor", "passkeys"}, "account_tokens": {"mail", "second_factor"}}
PAIRS = (  # which share a seam
    ("mail", "second_factor"),
    ("mail", "passkeys"),
    ("second_factor", "passkeys"),
    ("mail", "account_pages"),
    ("second_factor", "account_pages"),
    ("passkeys", "account_pages"),
    ("mail", "sign_in"),
    ("second_factor", "sign_in"),
    ("passkeys", "sign_in"),
    ("account_pages", "sign_in"),
    ("mail", "api_keys"),
)


def features(*chosen: str) -> dict[str, str]:
    return {name: "yes" if name in chosen else "no" for name in FEATURES}


# None, all, each alone, all but each, and pairs, by their names.
PAIRED = [features(*pair) for pair in PAIRS]
FEATURE_SETS: dict[str, dict[str, str]] = {
    {(): "none", FEATURES: "all"}.get(chosen, " + ".join(chosen)): features(*chosen)
    for chosen in (
        (),
        FEATURES,
        *((name,) for name in FEATURES),
        *(tuple(other for other in FEATURES if other != name) for name in FEATURES),
        *PAIRS,
    )
}
ALL = features(*FEATURES)


def unchosen(answers: dict[str, str]) -> set[str]:
    """The rooms that a project doesn't have; a derived one goes with the last feature that needs it."""
    left_out = {name for name in FEATURES if answers[name] == "no"}
    return left_out | {name for name, needed_by in DERIVED.items() if needed_by <= left_out}


def run(
    *command: str | Path, cwd: Path | None = None, environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run without a terminal, and capture the output."""
    return subprocess.run(
        command,
        cwd=cwd,
        env=ENVIRONMENT | (environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def cookiecutter(
    template: Path, folder: Path, *options: str, answers: dict[str, str] | None = None, path: str = ENVIRONMENT["PATH"]
) -> "subprocess.CompletedProcess[str]":
    """Scaffold into `folder`, with a HOME beside it; questions without an answer take their defaults."""
    folder.mkdir(parents=True, exist_ok=True)
    command = render_command(template, folder, *options)
    given = [f"{name}={answer}" for name, answer in (answers or {}).items()]
    home, scratch = folder.parent / "home", folder.parent / "scratch"
    scratch.mkdir(exist_ok=True)  # cookiecutter leaves its rendered hooks behind in TMPDIR
    result = run(*command, *given, environment={"HOME": str(home), "TMPDIR": str(scratch), "PATH": path})
    shutil.rmtree(scratch)
    return result


def scaffold(template: Path, folder: Path, answers: dict[str, str] | None = None) -> Path:
    result = cookiecutter(template, folder, answers=answers)
    assert result.returncode == 0, result.stderr
    return folder / (answers or {}).get("project_name", "my-api")


def make(project: Path, target: str) -> None:
    result = run("make", target, cwd=project)
    assert result.returncode == 0, result.stdout + result.stderr


def lint(project: Path) -> None:
    """With mypy's cache of this worker's last project: it compares the hashes of the sources, and most are the same."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    result = run("make", "lint", cwd=project, environment={"MYPY_CACHE_DIR": str(ROOT / ".cache/mypy" / worker)})
    assert result.returncode == 0, result.stdout + result.stderr


def link_environment(project: Path, environment: Path) -> None:
    lock = project / "requirements-dev.txt"
    (project / ".venv").symlink_to(environment_for(lock, environment))
    os.utime(lock, (0, 0))  # older than the environment, so that make has nothing to install


@contextmanager
def installed_project(
    template: Path, environment: Path, folder: Path, answers: dict[str, str] | None = None
) -> Iterator[Path]:
    """A project in a folder with a space in its name, ready to work on; its databases are stopped afterwards."""
    project = scaffold(template, folder / "my projects", answers)
    link_environment(project, environment)
    try:
        yield project
    finally:
        make(project, "stop")


def files(project: Path) -> Iterator[Path]:
    """All files of the project except Git's own."""
    return (path for path in sorted(project.rglob("*")) if path.is_file() and ".git" not in path.parts)


def assert_parses(project: Path) -> None:
    """Parse every file whose format has a parser."""
    for path in files(project):
        text = path.read_text(encoding="utf-8")
        match path.suffix:
            case ".py":
                compile(text, path, "exec")
            case ".toml":
                tomllib.loads(text)
            case ".json":
                json.loads(text)
            case ".yml" | ".yaml":
                yaml.safe_load(text)
            case ".sh":
                shell = run("bash", "-n", path)
                assert shell.returncode == 0, shell.stderr


def read_env(project: Path) -> dict[str, str]:
    lines = (project / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def secrets_of(project: Path) -> dict[str, str]:
    return {
        name: value for name, value in read_env(project).items() if name == "SECRET_KEY" or name.endswith("_PASSWORD")
    }
