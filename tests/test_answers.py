"""Which answers are refused, and that all others reach the project."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest
from rendering import ENVIRONMENT, render_command
from scaffolding import FEATURE_SETS, FEATURES, ROOT, assert_parses, cookiecutter, run, scaffold, unchosen

QUESTIONS = sum(not name.startswith("_") for name in json.loads((ROOT / "cookiecutter.json").read_text()))
PAGES = {f"{name}.md" for name in FEATURES}
BAD_NAMES = [
    "",
    " ",
    ".",
    "..",
    "../evil",
    "a/b",
    "a\\b",
    "my project",
    "1api",
    "-api",
    "_api",
    "api-",
    "api_",
    "api\n",
    "café",
    'a"; import os',
    "a" * 65,
    "a" * 300,
]

# What is typed, and what reaches the project: one line of printable text.
FREE_TEXTS = {
    "quotes": ("""It's a "quote", '''three''' and \"\"\"three\"\"\"""",) * 2,
    "backslashes": (r"C:\new\table \\ \" \u0041 \x41 ends in \\"[:-1],) * 2,
    "braces": ("{ } {0} {x!r} }} %} #} ${x} [a] <b>",) * 2,
    "shell": ("$HOME $(id) `id` ; & | > < * ? ~ # no comment",) * 2,
    "markup": ("</script><!-- --> &amp; [a](b) **c** @d % , : - e",) * 2,
    "yaml": ("- a: &b *c !d | > # e",) * 2,
    "number": ("0x1F",) * 2,
    "nothing": ("null",) * 2,
    "scripts": ("日本語 עברית می‌خواهم Ünïcödé",) * 2,
    "emoji": ("👩‍💻 ❤️ 🏳️‍🌈",) * 2,
    "long": ("wörd " * 2000 + "end",) * 2,
    "newlines": ("one\ntwo\r\n\tthree\u2028four\x85five\n", "one two three four five"),
    "control characters": ("a\x01b\x1b[31mc\x07d\x7fe\ufefff\u202eg", "ab[31mcdefg"),
    "empty": ("", ""),
}


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_name_is_refused_and_leaves_nothing_behind(name: str, template: Path, tmp_path: Path) -> None:
    result = cookiecutter(template, tmp_path / "out", answers={"project_name": name})

    assert result.returncode == 1
    assert "it starts with a letter, continues with letters, digits, - and _," in result.stderr.splitlines()[0]
    assert {path.name for path in tmp_path.iterdir()} == {"home", "out"}
    assert not list((tmp_path / "out").iterdir())


def test_only_a_project_that_stays_is_announced(template: Path, tmp_path: Path) -> None:
    """`cruft update` renders twice into temporary folders, which it deletes."""
    assert "Your project is ready" in cookiecutter(template, tmp_path / "out").stdout
    passing = Path(tempfile.mkdtemp(dir=tmp_path))
    command = render_command(template, passing)
    result = run(*command, environment={"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path)})
    assert result.returncode == 0, result.stderr
    assert "Your project is ready" not in result.stdout


def test_absolute_path_as_a_name_is_refused_and_leaves_nothing_behind(template: Path, tmp_path: Path) -> None:
    result = cookiecutter(template, tmp_path / "out", answers={"project_name": f"{tmp_path}/made/evil"})

    assert result.returncode == 1
    assert "it starts with a letter" in result.stderr.splitlines()[0]
    assert {path.name for path in tmp_path.iterdir()} == {"home", "out"}


@pytest.mark.parametrize("name", ["a", "A1", "my_api-2", "a" * 64])
def test_good_name_names_the_folder_and_the_distribution(name: str, template: Path, tmp_path: Path) -> None:
    project = scaffold(template, tmp_path / "out", {"project_name": name})

    assert tomllib.loads((project / "pyproject.toml").read_text())["project"]["name"] == name


@pytest.mark.parametrize("question", ["license", "python_version", "postgres_version", "web_server"])
def test_choice_that_is_not_offered_is_refused(question: str, template: Path, tmp_path: Path) -> None:
    result = cookiecutter(template, tmp_path / "out", answers={question: "another"})

    assert result.returncode == 1
    assert f"another provided for choice variable {question}, but the choices are" in result.stderr
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("question", FEATURES)
def test_an_answer_that_is_neither_yes_nor_no_is_refused(question: str, template: Path, tmp_path: Path) -> None:
    result = cookiecutter(template, tmp_path / "out", answers={question: "perhaps"})

    assert result.returncode == 1
    assert f"perhaps provided for variable {question} could not be converted to a boolean" in result.stderr
    assert not list((tmp_path / "out").iterdir())


# Files of a feature, by their names, and a text with marks: what is left of it for each set of features
MARKED = """# Title

<!-- mail -->
## Mail

one
<!-- second_factor -->
with codes
<!-- /second_factor -->
two
<!-- /mail -->

<!-- superuser_factor -->
* factor
<!-- /superuser_factor -->
* last

<!-- passkeys -->
The end.
<!-- /passkeys -->
"""
LEFT = {
    "none": "# Title\n\n* last\n",
    "mail": "# Title\n\n## Mail\n\none\ntwo\n\n* last\n",
    "second_factor": "# Title\n\n* factor\n* last\n",
    "mail + second_factor": "# Title\n\n## Mail\n\none\nwith codes\ntwo\n\n* factor\n* last\n",
    "passkeys": "# Title\n\n* factor\n* last\n\nThe end.\n",
}
REGISTRY = """from app.features.mail.feature import feature as mail
from app.features.passkeys.feature import feature as passkeys

FEATURES = (
    # a comment about mail and others
    mail,
    passkeys,
)
"""
JOIN = """FEATURES = (
    # the revision of each feature
    "c3a91f6e52b7",  # mail
    "a17f4c93be08",  # passkeys
)
down_revision = FEATURES or "6f3d0b8a51ce"  # without features, the core's last revision
"""
JOIN_FILE = "alembic/versions/2030_01_02_0000-ba9876543210_join_features.py"
OF_FEATURES = {
    "app/features/mail/routes.py": {"mail"},
    "app/features/second_factor/mail/removed.txt": {"mail", "second_factor"},
    "app/features/superuser_factor/feature.py": {"superuser_factor"},
    "app/tests/mail/test_more.py": {"mail"},
    "app/tests/test_new_mail.py": {"mail"},
    "app/core/mailing.py": set(),
    "docs/e-mail.md": set(),
    "alembic/versions/2030_01_01_0000-0123456789ab_passkeys.py": {"passkeys"},
}


@pytest.fixture(scope="session")
def marked(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with more files of features, and more marks."""
    copy = tmp_path_factory.mktemp("marked") / "template"
    shutil.copytree(template, copy)
    (slot,) = copy.glob("*cookiecutter.project_name*")
    for name in OF_FEATURES:
        (slot / name).parent.mkdir(parents=True, exist_ok=True)
        (slot / name).write_text("")
    (slot / "docs/marked.md").write_text(MARKED)
    commented = re.sub(r"<!-- (.*) -->", r"  # \1", MARKED)
    (slot / "docs/marked.yml").write_bytes(commented.replace("\n", "\r\n").encode())
    (slot / "app/features/__init__.py").write_text(REGISTRY)
    (slot / JOIN_FILE).write_text(JOIN)
    return copy


@pytest.mark.parametrize("name", LEFT)
def test_what_was_not_chosen_goes_by_its_name_its_marks_and_its_lines(name: str, marked: Path, tmp_path: Path) -> None:
    left_out = unchosen(FEATURE_SETS[name])

    project = scaffold(marked, tmp_path / "out", FEATURE_SETS[name])

    assert (project / "docs/marked.md").read_text() == LEFT[name]
    assert (project / "docs/marked.yml").read_bytes().decode() == LEFT[name].replace("\n", "\r\n")
    there = {path for path in OF_FEATURES if (project / path).exists()}
    assert there == {path for path, features in OF_FEATURES.items() if not features & left_out}
    assert not [path for path in project.rglob("*") if path.name in left_out]
    registry = (project / "app/features/__init__.py").read_text()
    join = (project / JOIN_FILE).read_text()
    for feature, revision in (("mail", "c3a91f6e52b7"), ("passkeys", "a17f4c93be08")):
        chosen = feature not in left_out
        assert (f"import feature as {feature}\n" in registry) == (f"    {feature},\n" in registry) == chosen
        assert (f'"{revision}",  # {feature}\n' in join) == chosen
    assert "# a comment about mail and others\n" in registry
    assert len(join.splitlines()) == 4 + len({"mail", "passkeys"} - left_out)


def test_a_project_that_is_rendered_once_more_keeps_its_environment(template: Path, tmp_path: Path) -> None:
    project = scaffold(template, tmp_path / "out", FEATURE_SETS["none"])
    package = project / ".venv/lib/python3/site-packages/mail/smtp.txt"
    package.parent.mkdir(parents=True)
    package.write_text("# mail\n")

    result = cookiecutter(template, tmp_path / "out", "--overwrite-if-exists", answers=FEATURE_SETS["none"])

    assert result.returncode == 0, result.stderr
    assert package.read_text() == "# mail\n"


def test_existing_folder_is_left_alone(template: Path, tmp_path: Path) -> None:
    mine = tmp_path / "out" / "my-api" / "mine"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")

    result = cookiecutter(template, tmp_path / "out")

    assert result.returncode == 1
    assert "directory already exists" in result.stderr + result.stdout
    assert list(mine.parent.iterdir()) == [mine]
    assert mine.read_text() == "mine"


def test_leftovers_of_running_the_project_in_place_are_not_rendered(template: Path, tmp_path: Path) -> None:
    used = tmp_path / "used"
    shutil.copytree(template, used)
    (slot,) = used.glob("*cookiecutter.project_name*")
    for leftover in (
        ".env",
        ".venv/lib/jinja.html",
        ".postgres/database/PG_VERSION",
        ".mail/20300621.eml",
        ".mypy_cache/x.json",
        ".coverage",
    ):
        (slot / leftover).parent.mkdir(parents=True, exist_ok=True)
        (slot / leftover).write_text("SECRET_KEY={{ shared }} {% by all %}")

    clean = scaffold(template, tmp_path / "clean")
    from_outside = run(*render_command(used, tmp_path / "one"), environment={"HOME": str(tmp_path)})
    from_inside = run(*render_command(Path(), tmp_path / "two"), cwd=used, environment={"HOME": str(tmp_path)})

    assert (from_outside.returncode, from_inside.returncode) == (0, 0)
    for project in (tmp_path / "one/my-api", tmp_path / "two/my-api"):
        assert "shared" not in (project / ".env").read_text()
        assert {path.name for path in project.iterdir()} == {path.name for path in clean.iterdir()}


@pytest.mark.parametrize(("typed", "arrives"), FREE_TEXTS.values(), ids=FREE_TEXTS)
def test_any_text_reaches_the_project_and_every_file_parses(
    typed: str, arrives: str, template: Path, tmp_path: Path
) -> None:
    answers = dict.fromkeys(("project_description", "author_name", "author_email"), typed)

    project = scaffold(template, tmp_path / "out", answers)

    about = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert about["description"] == arrives
    assert about["authors"] == [{"name": arrives, "email": arrives}]
    assert f"Copyright (c) {arrives}\n" in (project / "LICENSE").read_text(encoding="utf-8")
    assert_parses(project)


def ask(template: Path, folder: Path, typed: list[str]) -> str:
    """Answer the questions in a terminal; return what it showed."""
    folder.mkdir()
    terminal, inside = pty.openpty()
    command = [sys.executable, "-m", "cookiecutter", "--output-dir", str(folder), str(template)]
    process = subprocess.Popen(
        command, stdin=inside, stdout=inside, stderr=inside, env=ENVIRONMENT | {"HOME": str(folder), "TERM": "dumb"}
    )
    os.close(inside)
    # A Ctrl-D after the last answer ends a prompt that would otherwise wait for ever.
    os.write(terminal, "".join(f"{line}\n" for line in typed).encode() + b"\x04")
    shown = b""
    try:
        while part := os.read(terminal, 4096):
            shown += part
    except OSError:  # on Linux: the other end is closed
        pass
    os.close(terminal)
    assert process.wait() == 0, shown.decode()
    return shown.decode()


def test_enter_takes_every_default(template: Path, tmp_path: Path) -> None:
    shown = ask(template, tmp_path / "out", [""] * QUESTIONS)

    about = tomllib.loads((tmp_path / "out/my-api/pyproject.toml").read_text())["project"]
    assert about["description"] == "An API with accounts, tokens and a database"
    assert about["license"] == "MIT"
    assert (tmp_path / "out/my-api/nginx-unit-config.json").exists()
    assert {path.name for path in tmp_path.glob("out/my-api/docs/*.md")} & PAGES == {"mail.md"}
    assert "Name of the project and of its folder" in shown
    assert "make dev" in shown


def test_typed_answers_reach_the_project(template: Path, tmp_path: Path) -> None:
    typed = [
        "shop",
        "{{ braces }} {% if %} {# 'a' \"b\" \\c",
        "Zoë 👩‍💻",
        "zoe@example.com",
        "5",
        "2",
        "3",
        "2",
        "no",
        "y",
        "1",
    ]

    ask(template, tmp_path / "out", [*typed, *["yes"] * (QUESTIONS - len(typed))])

    project = tmp_path / "out/shop"
    about = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    assert about["description"] == typed[1]
    assert about["authors"] == [{"name": typed[2], "email": typed[3]}]
    assert about["license"] == "LicenseRef-Proprietary"
    assert "postgres:16" in (project / "docker-compose.yml").read_text()
    assert not (project / "nginx-unit-config.json").exists()
    assert {path.name for path in project.glob("docs/*.md")} & PAGES == PAGES - {"mail.md"}
