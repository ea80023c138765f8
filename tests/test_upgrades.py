"""cruft brings later versions of the template to a project, and keeps the project's own changes."""

import json
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from documentation import Block, blocks, carry_out, remove_the_example
from scaffolding import ROOT, features, make, run, scaffold, secrets_of

pytestmark = pytest.mark.slow
OLDER = {"python_version": "3.13"}  # the default answer before 0.3.0, which an update keeps
VERSIONS = re.findall(r"^## (\d+\.\d+\.\d+) - ", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
SLOT = "{{cookiecutter.project_name}}"
LOCKS = ("requirements.txt", "requirements-dev.txt")
OWN = {".env": "# mine\n", ".postgres/PG_VERSION": "18\n"}  # what Git ignores: settings, and data
EVENTS_MIGRATION = "alembic/versions/2026_11_21_1405-3324da21bdd7_add_events.py"
# Where a file is edited, at the first match: a setting's default; a port in docker-compose.yml, and two lines below it.
DEFAULT = r"(?<=Field\(default=)\d+"
PORT = r"(?<=_PORT:-)\d+"
VOLUME = r"(?<=    volumes:\n      - \")\w+"

UPDATE = "cruft update --skip-apply-ask\n"  # and no more on that line of docs/upgrades.md

Tree = dict[str, str]


def do(*command: str | Path, cwd: Path) -> str:
    people = {f"GIT_{role}_{what}": "a@b.example" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    result = run(*command, cwd=cwd, environment=people | {"HOME": str(cwd.parent / "home")})
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def cruft(*arguments: str | Path, cwd: Path) -> str:
    return do(sys.executable, "-m", "cruft", *arguments, cwd=cwd)


def commit(repository: Path) -> None:
    do("git", "add", "--all", cwd=repository)
    do("git", "commit", "--quiet", "--allow-empty", "--message", "Change", cwd=repository)


def commit_of(version: str, repository: Path) -> str | None:
    """The tagged commit, else the first with its heading; None if the clone doesn't reach back that far."""
    tagged = run("git", "rev-parse", "--quiet", "--verify", f"v{version}^{{commit}}", cwd=repository)
    if tagged.returncode == 0:
        return tagged.stdout.strip()
    # the oldest commit of a shallow clone seems to add every heading
    if run("git", "rev-parse", "--is-shallow-repository", cwd=repository).stdout != "false\n":
        return None
    adding = ("git", "log", "--reverse", "--format=%H", f"-S## {version} - ", "--", "CHANGELOG.md")
    return next(iter(run(*adding, cwd=repository).stdout.split()), None)


@pytest.fixture(scope="module")
def upstream(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with a tagged commit for each released version, and the current tree as the newest."""
    repository = tmp_path_factory.mktemp("upstream") / "template"
    repository.mkdir()
    do("git", "-c", "init.defaultBranch=main", "init", "--quiet", cwd=repository)
    for version in reversed(VERSIONS):
        if released := commit_of(version, ROOT):
            fill(repository, "git", "-C", ROOT, "archive", released)
            do("git", "tag", f"v{version}", cwd=repository)
    fill(repository, "tar", "--create", "--file=-", "--directory", template, ".")
    return repository


def fill(repository: Path, *archive: str | Path) -> None:
    """Commit exactly what this command packs."""
    do("git", "rm", "-r", "--quiet", "--ignore-unmatch", ".", cwd=repository)
    do("bash", "-euo", "pipefail", "-c", '"$@" | tar --extract --file=-', "fill", *archive, cwd=repository)
    commit(repository)


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest, upstream: Path) -> str:
    """The tag of a released version."""
    tag = f"v{request.param}"
    if not do("git", "tag", "--list", tag, cwd=upstream):
        pytest.skip(f"No commit of version {request.param} is available: a shallow clone, no clone, or none yet.")
    return tag


@pytest.fixture
def workshop(upstream: Path, tmp_path: Path) -> Path:
    """The folder that docs/upgrades.md speaks of, with the template and the tools in it."""
    do("git", "clone", "--quiet", upstream, tmp_path / "template", cwd=tmp_path)
    (tmp_path / "tools").symlink_to(sys.prefix)
    return tmp_path


def create(workshop: Path, version: str) -> Path:
    cruft("create", "--no-input", "--checkout", version, "template", cwd=workshop)
    start(workshop / "my-api")
    return workshop / "my-api"


def start(project: Path) -> None:
    commit(project)
    for name, text in OWN.items():
        (project / name).parent.mkdir(exist_ok=True)
        with (project / name).open("a") as file:
            file.write(text)


def follow(project: Path, text: str) -> None:
    """Carry out the block of docs/upgrades.md with this text in it."""
    (block,) = [block for block in blocks(ROOT / "docs/upgrades.md") if text in f"{block.text}\n"]
    do("bash", "-euo", "pipefail", "-c", block.text, cwd=project)


def read(project: Path) -> Tree:
    """The files that Git tracks or would track, without cruft's own."""
    names = do("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=project).splitlines()
    return {n: (project / n).read_text() for n in names if n != ".cruft.json" and (project / n).is_file()}


def skipped(project: Path) -> set[str]:
    return set(tomllib.loads((project / "pyproject.toml").read_text())["tool"]["cruft"]["skip"])


def differing(one: Tree, other: Tree) -> set[str]:
    return {name for name in one | other if one.get(name) != other.get(name)}


def merged(old: Tree, mine: Tree, new: Tree, skip: set[str], folder: Path) -> tuple[Tree, set[str]]:
    """What an update has to result in, by Git's three-way merge of each file, and which files have conflicts."""
    result, conflicts = dict(mine), set()
    for name in (old.keys() | new.keys()) - skip:
        if mine.get(name) == old.get(name):
            result |= {name: new[name]} if name in new else {}
            if name not in new:
                result.pop(name, None)
        elif name in mine and old.get(name) != new.get(name):
            sides = [folder / side for side in ("ours", "base", "theirs")]
            for path, tree in zip(sides, (mine, old, new), strict=True):
                path.write_text(tree.get(name, ""))
            labels = [word for path in sides for word in ("-L", path.name)]
            merge = run("git", "merge-file", "--stdout", *labels, *sides)
            result[name] = merge.stdout
            conflicts |= {name} if merge.returncode else set()
    return result, conflicts


def tutorial(project: Path) -> list[Block]:
    """How to add a resource; before 0.3.0 also how to remove the example. 0.1.0 says it in its README."""
    page, resource = project / "docs/tutorial.md", "Add your own resource"
    if not page.exists():
        page, resource = project / "README.md", "Step by step: add your own resource"
    elif "```" not in page.read_text().partition("## Remove the example")[2]:
        return blocks(page, resource)
    return [*blocks(page, "Remove the example"), *blocks(page, resource)]


def change(project: Path, environment: Path, template: Path) -> None:
    """Change the project as people do: remove the example, add a resource, change settings, update the pins."""
    todo = tutorial(project)
    if not [block for block in todo if "Remove the example" in block.headings]:
        remove_the_example(project)
    for block in todo:
        if block.sentence.startswith("It wrote"):
            carry_out(replace(block, sentence=f"New file `{EVENTS_MIGRATION}`:"), project)
        elif block.language != "console":  # most of those need a database
            carry_out(block, project)
    pins = project / "requirements-dev.txt"
    # An older version's code may not work with the packages of this environment.
    if pins.read_bytes() == (template / SLOT / pins.name).read_bytes():
        (project / ".venv").symlink_to(environment)
        os.utime(pins, (0, 0))  # older than the environment, so that make has nothing to install
        make(project, "format")
        make(project, "openapi")
        (project / ".venv").unlink()
    edit(project / "app/core/config.py", DEFAULT, "41")
    edit(project / "docker-compose.yml", PORT, "5441")
    for lock in LOCKS:
        append(project / lock, "# mine")
    commit(project)


def edit(path: Path, pattern: str, text: str) -> None:
    changed, places = re.subn(pattern, text, path.read_text(), count=1)
    assert places, f"{path} has nothing like {pattern}"
    path.write_text(changed)


def append(path: Path, line: str) -> None:
    path.write_text(f"{path.read_text()}{line}\n")


def own(project: Path) -> list[bytes]:
    return [(project / name).read_bytes() for name in OWN]


def assert_becomes_a_fresh_one(project: Path, fresh: Path) -> None:
    ignored = own(project)
    kept = {name: text for name, text in read(project).items() if name in skipped(project)}

    follow(project, UPDATE)

    assert not differing(read(project), read(fresh) | kept)
    assert own(project) == ignored
    cruft("check", cwd=project)


def test_untouched_project_becomes_a_fresh_one(version: str, workshop: Path, template: Path) -> None:
    assert_becomes_a_fresh_one(create(workshop, version), scaffold(template, workshop / "fresh", OLDER))


def test_changed_project_conflicts_only_where_both_sides_changed(
    version: str, workshop: Path, template: Path, environment: Path
) -> None:
    project = create(workshop, version)
    old = read(project)
    change(project, environment, template)
    edit(project / "openapi.json", '"title": ', '"title":  ')  # as a route of its own would
    commit(project)
    follow(project, "git rm --quiet openapi.json")
    mine, ignored = read(project), own(project)
    new = read(scaffold(template, workshop / "fresh", OLDER))
    expected, _ = merged(old, mine, new, skipped(project), workshop)

    follow(project, UPDATE)

    assert not differing(read(project), expected)
    assert own(project) == ignored


def test_one_conflict_where_a_later_version_changes_the_same_line(
    workshop: Path, template: Path, environment: Path
) -> None:
    project = create(workshop, "main")
    state = (project / ".cruft.json").read_text()
    assert not [secret for secret in secrets_of(project).values() if secret in state]
    old = read(project)
    change(project, environment, template)
    mine, ignored = read(project), own(project)
    slot = workshop / "template" / SLOT
    edit(slot / "app/core/config.py", DEFAULT, "42")
    edit(slot / "docker-compose.yml", VOLUME, "data")
    for name in ("Makefile", ".env.example", "app/api/endpoints/pets.py", *LOCKS):
        append(slot / name, "# A line of a later version")
    (slot / "app/later.py").write_text('"""A file of a later version."""\n')
    (slot / ".editorconfig").unlink()
    (slot / "alembic.ini").rename(slot / "docs/alembic.ini")
    commit(workshop / "template")
    assert run(sys.executable, "-m", "cruft", "check", cwd=project).returncode == 1
    new = read(scaffold(workshop / "template", workshop / "fresh"))
    expected, conflicts = merged(old, mine, new, skipped(project), workshop)
    assert conflicts == {"app/core/config.py"}

    follow(project, UPDATE)

    assert not differing(read(project), expected)
    compose = (project / "docker-compose.yml").read_text()
    assert "_PORT:-5441}" in compose
    assert '- "data:' in compose
    assert [expected[lock] for lock in LOCKS] == [mine[lock] for lock in LOCKS]
    assert own(project) == ignored
    cruft("check", cwd=project)


def test_git_merges_by_line_a_version_that_no_commit_has(workshop: Path) -> None:
    """In a fresh clone, as after an earlier update, no commit has the template's own version of a changed file."""
    cruft("create", "--no-input", "template", cwd=workshop)
    edit(workshop / "my-api/docker-compose.yml", PORT, "5441")
    commit(workshop / "my-api")
    edit(workshop / "template" / SLOT / "docker-compose.yml", VOLUME, "data")
    commit(workshop / "template")
    elsewhere = workshop / "elsewhere"
    elsewhere.mkdir()
    for name in ("template", "tools", "my-api"):
        (workshop / name).rename(elsewhere / name)
    project = elsewhere / "my-api"
    do("git", "remote", "add", "origin", "https://example.com/my-api.git", cwd=project)

    follow(project, ".cruft.json")
    commit(project)
    follow(project, UPDATE)

    changed = (project / "docker-compose.yml").read_text()
    assert "_PORT:-5441}" in changed
    assert '- "data:' in changed
    assert "<<<<<<<" not in changed
    assert not list(project.rglob("*.rej"))


@pytest.fixture
def living(workshop: Path, environment: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A project with these answers, a change of its own, and data in its migrated database."""
    cruft("create", "--no-input", "--extra-context", json.dumps(request.param), "template", cwd=workshop)
    project = workshop / "my-api"
    with (project / ".git/info/exclude").open("a") as exclude:
        exclude.write(".venv\n")  # a link, which `.venv/` in .gitignore doesn't match
    (project / ".venv").symlink_to(environment)
    os.utime(project / "requirements-dev.txt", (0, 0))
    edit(project / "docker-compose.yml", PORT, "5441")
    commit(project)
    try:
        make(project, "migrate")
        do("bash", "init.sh", cwd=project)
        yield project
    finally:
        make(project, "stop")


def assert_database_matches_the_models(project: Path) -> None:
    do(project / ".venv/bin/python", "-m", "alembic", "check", cwd=project)
    assert "(head)" in do(project / ".venv/bin/python", "-m", "alembic", "current", cwd=project)


@pytest.mark.parametrize("living", [{"mail": True}], indirect=True)
def test_a_feature_is_added_later(living: Path, template: Path, workshop: Path) -> None:
    before = read(living)
    fresh = read(scaffold(template, workshop / "fresh", features("mail", "passkeys")))

    follow(living, '"passkeys": true')

    kept = {name for name in before if "_join_" in name} | set(LOCKS) | {"docker-compose.yml"}
    assert differing(read(living), fresh) == kept
    assert not differing({name: before[name] for name in kept}, {name: read(living)[name] for name in kept})
    follow(living, "merge heads")
    assert_database_matches_the_models(living)
    do(living / ".venv/bin/python", "-m", "alembic", "downgrade", "base", cwd=living)
    do(living / ".venv/bin/python", "-m", "alembic", "upgrade", "head", cwd=living)
    assert_database_matches_the_models(living)


@pytest.mark.parametrize("living", [{"mail": True, "passkeys": True}], indirect=True)
def test_a_feature_is_left_out_later(living: Path, template: Path, workshop: Path) -> None:
    migrations = {name for name in read(living) if name.startswith("alembic/versions/")}
    fresh = read(scaffold(template, workshop / "fresh", features("mail")))

    follow(living, '"passkeys": false')

    assert {name for name in read(living) if name.startswith("alembic/versions/")} == migrations
    assert differing(read(living), fresh) - migrations == {*LOCKS, "docker-compose.yml"}
    edit(living / ".env", r"(?m)^PASSKEY_RP_ID=.*\n", "")
    do("make", "migration", "name=remove passkeys", cwd=living)
    (written,) = {name for name in read(living) if name.startswith("alembic/versions/")} - migrations
    assert 'op.drop_table("passkeys")' in (living / written).read_text()
    make(living, "migrate")
    assert_database_matches_the_models(living)


@pytest.mark.parametrize("version", ["0.1.0"], indirect=True)  # which docs/upgrades.md names
def test_project_of_plain_cookiecutter_learns_its_template(version: str, workshop: Path, template: Path) -> None:
    answers = {"project_name": "shop-api", "license": "GPL-3.0"}
    do("git", "checkout", "--quiet", version, cwd=workshop / "template")
    project = scaffold(workshop / "template", workshop, answers)
    do("git", "checkout", "--quiet", "main", cwd=workshop / "template")
    start(project)

    follow(project, "cruft link")

    assert "diff --git" not in cruft("diff", cwd=project)
    commit(project)
    assert_becomes_a_fresh_one(project, scaffold(template, workshop / "fresh", answers | OLDER))


def test_a_version_is_found_by_its_tag_else_by_its_heading(upstream: Path, version: str, tmp_path: Path) -> None:
    commit = do("git", "rev-parse", version, cwd=upstream).strip()
    for folder, options in {"untagged": ["--no-tags"], "shallow": ["--no-tags", "--depth=1"]}.items():
        do("git", "clone", "--quiet", *options, upstream.as_uri(), folder, cwd=tmp_path)

    assert commit_of(version[1:], upstream) == commit
    assert commit_of(version[1:], tmp_path / "untagged") == commit
    assert commit_of(version[1:], tmp_path / "shallow") is None
