"""Later changes of the template reach a project by cruft, and leave what is the project's own."""

import sys
from pathlib import Path
from shutil import copytree

from scaffolding import run, secrets_of

CRUFT = [sys.executable, "-m", "cruft"]


def test_update_brings_the_templates_changes_and_leaves_env_alone(template: Path, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path / "home")}
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": "Someone", f"GIT_{role}_EMAIL": "someone@example.com"}

    def do(*command: str | Path, cwd: Path) -> None:
        result = run(*command, cwd=cwd, environment=environment)
        assert result.returncode == 0, result.stdout + result.stderr

    def commit(repository: Path) -> None:
        do("git", "add", "--all", cwd=repository)
        do("git", "commit", "--quiet", "--message", "Change", cwd=repository)

    upstream = tmp_path / "upstream"
    copytree(template, upstream)
    do("git", "init", "--quiet", cwd=upstream)
    commit(upstream)

    do(*CRUFT, "create", "--no-input", upstream, cwd=tmp_path)
    project = tmp_path / "my-api"
    commit(project)
    do(*CRUFT, "check", cwd=project)
    do(*CRUFT, "diff", "--exit-code", cwd=project)
    state = (project / ".cruft.json").read_text()
    assert not [secret for secret in secrets_of(project).values() if secret in state]

    env = (project / ".env").read_bytes()
    slot = upstream / "{{cookiecutter.project_name}}"
    for changed in (slot / "Makefile", slot / ".env.example"):
        changed.write_text(changed.read_text() + "\n# A line of a later version\n")
    (slot / "app/later.py").write_text('"""A file of a later version."""\n')
    commit(upstream)
    assert run(*CRUFT, "check", cwd=project, environment=environment).returncode == 1

    do(*CRUFT, "update", "--skip-apply-ask", cwd=project)

    do(*CRUFT, "check", cwd=project)
    assert (project / "Makefile").read_text().endswith("# A line of a later version\n")
    assert (project / "app/later.py").exists()
    assert (project / ".env").read_bytes() == env
    assert not list(project.rglob("*.rej"))
    assert not (project / "variants").exists()
    commit(project)
