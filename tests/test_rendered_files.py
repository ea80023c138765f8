"""Every file of every supported combination, and the sources that they are rendered from."""

import json
import os
import re
import stat
import sys
from pathlib import Path
from shutil import copytree

import pytest
import yaml
from scaffolding import COMBINATIONS, ROOT, assert_parses, files, run, scaffold

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
    token = re.compile(r"cookiecutter|variants/|\{\{|\{%|\{#", re.IGNORECASE)
    for path in files(project):
        assert not token.search(path.read_text()), path


def test_python_files_are_those_of_the_template(project: Path, template: Path) -> None:
    source = template / "{{cookiecutter.project_name}}"
    names = {path.relative_to(source) for path in source.rglob("*.py")}

    assert names == {path.relative_to(project) for path in project.rglob("*.py")}
    assert all((project / name).read_bytes() == (source / name).read_bytes() for name in names)


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
    "vendor.compose-spec": "docker-compose.yml",
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


def test_dependabot_updates_everything_that_is_pinned(project: Path) -> None:
    settings = yaml.safe_load((project / ".github/dependabot.yml").read_text())
    ecosystems = {update["package-ecosystem"] for update in settings["updates"]}

    assert ecosystems == {"pip", "github-actions", "docker"}
    # Dependabot can't read variables after FROM
    bases = re.findall(r"^FROM (\S+)", (project / "Dockerfile").read_text(), re.MULTILINE)
    assert [base for base in bases if ":" in base and "$" not in base] == bases[:1]
