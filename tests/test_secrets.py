"""Every project has its own secrets, and they appear only in its .env."""

from pathlib import Path

from scaffolding import cookiecutter, files, read_env, run, scaffold, secrets_of


def contents(project: Path) -> dict[Path, bytes]:
    return {path.relative_to(project): path.read_bytes() for path in files(project)}


def test_two_renders_differ_in_env_alone(template: Path, tmp_path: Path) -> None:
    first, second = (contents(scaffold(template, tmp_path / folder)) for folder in ("first", "second"))

    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == [Path(".env")]


def test_every_secret_is_the_projects_own(template: Path, tmp_path: Path) -> None:
    first, second = (secrets_of(scaffold(template, tmp_path / folder)) for folder in ("first", "second"))

    assert first.keys() == second.keys() == {"SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD"}
    assert len({*first.values(), *second.values()}) == 6
    assert min(map(len, first.values())) >= 20


def test_secrets_stay_in_env(template: Path, tmp_path: Path) -> None:
    result = cookiecutter(template, tmp_path / "out", "--verbose")
    project = tmp_path / "out/my-api"
    secrets = [secret.encode() for secret in secrets_of(project).values()]

    # HOME is a folder beside the project; cookiecutter keeps the answers for a replay in it.
    elsewhere = [path for path in tmp_path.rglob("*") if path.is_file() and path != project / ".env"]
    assert any("replay" in path.as_posix() for path in elsewhere)
    output = (result.stdout + result.stderr).encode()
    assert not [secret for secret in secrets if secret in output]
    assert not [path for path in elsewhere if any(secret in path.read_bytes() for secret in secrets)]


def test_git_ignores_env_and_no_other_file_of_the_project(project: Path) -> None:
    untracked = run("git", "ls-files", "--others", "--exclude-standard", cwd=project).stdout.splitlines()

    everything = {path.relative_to(project).as_posix() for path in files(project)}
    assert everything - set(untracked) == {".env"}


def test_example_lists_the_same_settings_and_no_secret(project: Path) -> None:
    lines = (project / ".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))

    assert example.keys() == read_env(project).keys()
    assert {example[name] for name in secrets_of(project)} == {""}
