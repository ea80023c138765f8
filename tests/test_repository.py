"""The project starts as a Git repository where that is possible, and works without one where it isn't."""

from pathlib import Path

from scaffolding import cookiecutter, files, run, scaffold


def test_project_starts_as_a_repository_without_a_commit(template: Path, tmp_path: Path) -> None:
    project = scaffold(template, tmp_path / "out")

    assert run("git", "symbolic-ref", "HEAD", cwd=project).stdout == "refs/heads/main\n"
    assert run("git", "rev-parse", "--quiet", "--verify", "HEAD", cwd=project).returncode == 1


def test_project_inside_a_repository_belongs_to_that_one(template: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    run("git", "init", "--quiet", cwd=tmp_path / "out")

    assert not (scaffold(template, tmp_path / "out") / ".git").exists()


def test_without_git_or_with_a_broken_one_there_is_no_repository(template: Path, tmp_path: Path) -> None:
    result = cookiecutter(template, tmp_path / "without", path=str(tmp_path))
    assert result.returncode == 0, result.stderr

    (tmp_path / "git").write_text("#!/bin/sh\nexit 128\n")
    (tmp_path / "git").chmod(0o755)
    result = cookiecutter(template, tmp_path / "broken", path=f"{tmp_path}:/bin")
    assert result.returncode == 0, result.stderr

    assert not list(tmp_path.glob("*/my-api/.git"))


def test_scaffolding_over_a_project_keeps_its_secrets(template: Path, tmp_path: Path) -> None:
    project = scaffold(template, tmp_path / "out")
    before = {path: path.read_bytes() for path in files(project)}

    result = cookiecutter(template, tmp_path / "out", "--overwrite-if-exists")

    assert result.returncode == 0, result.stderr
    assert {path: path.read_bytes() for path in files(project)} == before
