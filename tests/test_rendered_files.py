"""Every file of every supported combination, and the sources that they are rendered from."""

import json
import os
import re
import stat
import sys
import tomllib
from importlib.metadata import Distribution, distributions
from pathlib import Path
from shutil import copytree

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pythons import OFFERED
from scaffolding import ALL, COMBINATIONS, ROOT, assert_parses, files, run, scaffold, unchosen

# Words that belong to one feature alone.
WORDS = {
    "mail": (
        r"(?<!-)\b[Mm]ails?\b|\bMAIL_|mail_url|mailpit|(?i:smtp)|outbox|outgoing|forgot-password|recover(y)?-password"
        r"|verify-email|request-verification|EMAIL_VERIFICATION|REGISTRATION\b|FRONTEND_URL|\b[Dd]iscreet\b"
        r"|\bEmails\b|make emails|an email\b(?! address)"
        r"|/users/me/email|email_verified`|by email\b(?! address)"
    ),
    "second_factor": (
        r"(?i:totp|pyotp|\bmfa|recovery.codes?|authenticator app|second-factor\b)|(?<!SUPERUSER_)SECOND_FACTOR"
        r"|\bsecond_factor(?!s|_added|_removed)|\bcodes? of an app"
    ),
    "passkeys": r"(?i)passkey|webauthn|\brp_id|cbor",
    "api_keys": r"(?i:\bAPI[ -]keys?\b)|\bapi_keys?\b|ApiKey|client.credentials|\bROLES\b|\brole_(granted|revoked)",
    "superuser_factor": r"(?i)second.factor|superuser_factor|insufficient_factor",
    "account_tokens": r"(?i)account.tokens?\b",
}
NOT_WALKED = ("LICENSE", "app/core/common_passwords.txt")  # the GPL mentions paper mail
# The core's seams for features that add a second factor to a login: they say so, and name none of these features.
SEAMS_FOR_SECOND_FACTORS = {
    "app/api/deps.py",
    "app/api/endpoints/reauthentication.py",
    "app/api/endpoints/users.py",
    "app/api/feature.py",
    "app/auth/recent_login.py",
    "app/tests/test_recent_login.py",
}

CHOICES: dict[str, list[str]] = {
    question: answers
    for question, answers in json.loads((ROOT / "cookiecutter.json").read_text()).items()
    if isinstance(answers, list) and not question.startswith("_")
}

# How a choice shows in a file: each pattern's group is an answer, and only the chosen one may occur.
SIGNS = {
    "license": r"\b(MIT|BSD-3-Clause|Apache-2\.0|GPL-3\.0|Proprietary)\b",
    "python_version": r"\bpython(?::|-|-version: *\W?)(3\.\d+)\b",
    "postgres_version": r"(?<!/)\bpostgres:(\d\d)\b",
}
# Development runs on uvicorn whatever the container does, so only these belong to one choice alone.
SIGNS_OF_NGINX_UNIT = re.compile(r"nginx[ -]unit|unitd|freeunit", re.IGNORECASE)  # nginx alone is a proxy


def chosen(combination: dict[str, str], question: str) -> str:
    return combination.get(question) or CHOICES[question][0]


@pytest.mark.parametrize("question", CHOICES)
def test_every_choice_is_in_a_supported_combination(question: str) -> None:
    assert {chosen(combination, question) for combination in COMBINATIONS.values()} == set(CHOICES[question])


def test_every_file_parses(project: Path) -> None:
    assert_parses(project)


def test_no_file_contains_a_trace_of_the_template(project: Path) -> None:
    assert not [path for path in project.rglob("*") if re.search(r"cookiecutter|variants|[{}%]", path.name)]
    # Python is not rendered, and has such marks of its own; workflows have `${{ … }}`, which GitHub reads.
    words, marks = r"cookiecutter|variants/", r"(?<!\$)\{\{|\{%|\{#"
    for path in files(project):
        token = words if path.suffix == ".py" else f"{words}|{marks}"
        assert not re.search(token, path.read_text(), re.IGNORECASE), path


def belongs_to(name: Path, features: set[str]) -> bool:
    """One of these features is in the file's path: a folder, or its name without what comes before the last `_`."""
    return any(re.search(rf"(^|_){feature}$", part) for feature in features for part in (*name.parts, name.stem))


def is_registry(name: Path) -> bool:
    return name.as_posix() == "app/features/__init__.py" or "_join" in name.stem


def test_python_files_are_those_of_the_template_without_unchosen_features(
    featured: Path, answers: dict[str, str], template: Path
) -> None:
    source = template / "{{cookiecutter.project_name}}"
    names = {path.relative_to(source) for path in source.rglob("*.py")}
    expected = {name for name in names if not belongs_to(name, unchosen(answers))}

    assert expected == {path.relative_to(featured) for path in featured.rglob("*.py")}
    for name in expected:
        left, whole = (folder.joinpath(name).read_text() for folder in (featured, source))
        assert left == whole or (is_registry(name) and set(left.splitlines()) <= set(whole.splitlines())), name


def test_every_file_of_every_set_of_features_parses(featured: Path) -> None:
    assert_parses(featured)


def test_every_set_of_features_is_formatted_and_imports_what_is_there(featured: Path) -> None:
    """Without an environment of its own, so the rules are those that look at one file."""
    for command in (("format", "--check"), ("check",)):
        result = run(sys.executable, "-m", "ruff", *command, "--no-cache", ".", cwd=featured)
        assert result.returncode == 0, result.stdout
    modules = {path.relative_to(featured).with_suffix("").as_posix() for path in featured.rglob("*.py")}
    packages = {name.removesuffix("/__init__") for name in modules}
    for path in featured.glob("app/**/*.py"):
        for name in re.findall(r"^from (app(?:\.\w+)+) import", path.read_text(), re.MULTILINE):
            assert name.replace(".", "/") in modules | packages, path


def test_no_mark_is_left(featured: Path) -> None:
    for path in files(featured):
        marks = re.findall(rf"^\s*(?:<!--|#) /?(?:{'|'.join(WORDS)})(?: -->)?\s*$", path.read_text(), re.MULTILINE)
        assert not marks, path


def test_marks_of_the_template_come_in_pairs() -> None:
    for path in (ROOT / "{{cookiecutter.project_name}}").glob("**/*"):
        if not path.is_file() or path.suffix in {".py", ".png"} or {".venv", ".postgres"} & set(path.parts):
            continue
        inside: list[str] = []
        for end, name in re.findall(
            rf"^[ \t]*(?:<!--|#) (/?)({'|'.join(WORDS)})(?: -->)?$", path.read_text(errors="replace"), re.MULTILINE
        ):
            if end:
                assert inside.pop() == name, path
            else:
                inside.append(name)
        assert not inside, path


def test_no_trace_of_an_unchosen_feature(featured: Path, answers: dict[str, str]) -> None:
    found = [
        f"{name}: {match[0]!r} of {feature}"
        for path in files(featured)
        if (name := path.relative_to(featured).as_posix()) not in NOT_WALKED
        for feature in unchosen(answers)
        if (feature, name) not in {("superuser_factor", seam) for seam in SEAMS_FOR_SECOND_FACTORS}
        if (match := re.search(WORDS[feature], f"{name}\n{path.read_text()}"))
    ]
    assert not found


@pytest.mark.parametrize("feature", WORDS)
def test_words_of_a_feature_occur_where_it_is_chosen(feature: str, template: Path, tmp_path: Path) -> None:
    """Otherwise the walk above would find nothing for want of words."""
    project = scaffold(template, tmp_path / "out", ALL)
    elsewhere = [path for path in files(project) if not belongs_to(path.relative_to(project), {feature})]
    assert [path for path in elsewhere if re.search(WORDS[feature], path.read_text())]


def test_no_two_empty_lines_meet_in_a_text(featured: Path) -> None:
    texts = (path for path in files(featured) if path.suffix in {".md", ".yml", ".yaml", ".example"})
    for path in texts:
        prose = re.sub(r"^```.*?^```", "...", path.read_text(), flags=re.DOTALL | re.MULTILINE)
        assert "\n\n\n" not in prose, path
        assert not path.read_text().endswith("\n\n"), path


def test_locks_have_what_the_chosen_features_need_and_nothing_else(featured: Path, environment: Path) -> None:
    """As `pip check` would, by what the packages themselves require; on other systems a lock may have more."""
    there: dict[str, Distribution] = {
        canonicalize_name(found.name): found
        for found in distributions(path=[str(path) for path in environment.glob("lib/python*/site-packages")])
    }
    about = tomllib.loads((featured / "pyproject.toml").read_text())
    of_the_image = about["project"]["dependencies"]
    for lock, roots in {
        "requirements.txt": of_the_image,
        "requirements-dev.txt": [*of_the_image, *about["dependency-groups"]["dev"]],
    }.items():
        text = (featured / lock).read_text()
        locked = set(re.findall(r"^([a-z0-9.-]+)==", text, re.MULTILINE))
        assert set(re.findall(r"# (?:via| ) ([a-z][a-z0-9.-]+)$", text, re.MULTILINE)) <= locked, lock
        assert needed(roots, there) == locked & there.keys(), lock


def needed(roots: list[str], there: dict[str, Distribution]) -> set[str]:
    """These requirements and what they require in turn, on this machine."""
    wanted, reached = [Requirement(root) for root in roots], set()
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras}:
            if (name, extra) not in reached:
                reached.add((name, extra))
                require = [Requirement(text) for text in there[name].requires or []]
                wanted += [each for each in require if each.marker is None or each.marker.evaluate({"extra": extra})]
    return {name for name, _ in reached}


@pytest.mark.parametrize("question", SIGNS)
def test_no_trace_of_another_choice(question: str, project: Path, combination: dict[str, str]) -> None:
    found = {
        answer: path
        for path in files(project)
        if not path.name.startswith("requirements")  # its markers name every version of Python
        for answer in re.findall(SIGNS[question], path.read_text())
    }

    assert set(found) == {chosen(combination, question)}, found


def test_no_trace_of_another_web_server(project: Path, combination: dict[str, str]) -> None:
    mentions = [path.name for path in files(project) if SIGNS_OF_NGINX_UNIT.search(path.name + path.read_text())]

    if chosen(combination, "web_server") == "nginx-unit":
        assert {"Dockerfile", "nginx-unit-config.json"} <= set(mentions)
        assert "uvicorn" not in (project / "Dockerfile").read_text()
    else:
        assert not mentions
        assert "uvicorn" in (project / "Dockerfile").read_text()


def test_license_is_the_chosen_one(project: Path, combination: dict[str, str], template: Path) -> None:
    source = template / "{{cookiecutter.project_name}}/variants/license" / chosen(combination, "license")

    expected = source.read_text().replace("{{ cookiecutter.__author_name_plain }}", "Your Name")
    assert (project / "LICENSE").read_text() == expected


def test_files_have_the_right_modes(project: Path) -> None:
    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    for path in files(project):
        assert os.access(path, os.X_OK) == path.read_bytes().startswith(b"#!"), path


def test_init_script_is_executable_even_from_an_archive_without_modes(template: Path, tmp_path: Path) -> None:
    copytree(template, tmp_path / "template")
    (tmp_path / "template/{{cookiecutter.project_name}}/init.sh").chmod(0o644)

    project = scaffold(tmp_path / "template", tmp_path / "out")

    assert os.access(project / "init.sh", os.X_OK)


SPECIFIED = {
    "vendor.compose-spec": "**/*compose*.y*ml",
    "vendor.dependabot": ".github/dependabot.yml",
    "vendor.github-workflows": ".github/workflows/*.yml",
}
OF_THE_TEMPLATE = {name: glob for name, glob in SPECIFIED.items() if glob.startswith(".github")} | {
    "vendor.github-issue-config": ".github/ISSUE_TEMPLATE/config.yml",
    "vendor.github-issue-forms": ".github/ISSUE_TEMPLATE/[!c]*.yml",
}


def follows(schema: str, *paths: Path) -> None:
    assert paths
    result = run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *paths)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("schema", SPECIFIED)
def test_file_follows_its_specification(schema: str, project: Path) -> None:
    follows(schema, *project.glob(SPECIFIED[schema]))


@pytest.mark.parametrize("schema", OF_THE_TEMPLATE)
def test_file_of_the_template_follows_its_specification(schema: str) -> None:
    follows(schema, *ROOT.glob(OF_THE_TEMPLATE[schema]))


def test_actions_are_pinned_by_commit_and_the_same_in_both_products(project: Path) -> None:
    workflows = [*ROOT.glob(SPECIFIED["vendor.github-workflows"]), *project.glob(SPECIFIED["vendor.github-workflows"])]
    uses = {line for path in workflows for line in re.findall(r"\buses: *(.*)", path.read_text())}

    assert not [line for line in uses if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)]
    assert len(uses) == len({line.partition("@")[0] for line in uses}), uses


def test_development_container_has_the_chosen_python_and_runs_commands_that_exist(
    project: Path, combination: dict[str, str]
) -> None:
    container = json.loads((project / ".devcontainer/devcontainer.json").read_text())
    commands = f"{container['postCreateCommand']}\n{container['postStartCommand']}"
    targets = re.findall(r"(?m)^([\w-]+):", (project / "Makefile").read_text())
    mounted = re.findall(r"target=\$\{containerWorkspaceFolder\}/([^,]*)", "\n".join(container["mounts"]))

    assert container["image"].endswith(f":{combination.get('python_version', OFFERED[0])}")
    assert {"env", "databases"} == set(re.findall(r"\bmake ([\w-]+)", commands)) <= set(targets)
    assert {f"{name}/" for name in mounted} <= set((project / ".gitignore").read_text().split())


def test_dependabot_updates_everything_that_is_pinned(project: Path) -> None:
    settings = yaml.safe_load((project / ".github/dependabot.yml").read_text())
    ecosystems = {update["package-ecosystem"] for update in settings["updates"]}

    assert ecosystems == {"pip", "github-actions", "docker"}
    assert {update["cooldown"]["default-days"] for update in settings["updates"]} == {7}
    # Dependabot can't read variables after FROM
    bases = re.findall(r"^FROM (\S+)", (project / "Dockerfile").read_text(), re.MULTILINE)
    assert [base for base in bases if ":" in base and "$" not in base] == bases[:1]
