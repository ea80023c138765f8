"""What the README and the recipes of a rendered project say, carried out."""

import json
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from documentation import Block, BrokenBlockError, blocks, carry_out, carry_out_in_one_shell
from scaffolding import ROOT, files, installed_project, lint, make, read_env, run, scaffold
from serving import free_port, initialised_project, served

INSIDE = Path(__file__).parent / "inside"


@pytest.fixture
def installed(template: Path, environment: Path, tmp_path: Path) -> Iterator[Path]:
    with installed_project(template, environment, tmp_path) as project:
        yield project


def follow(project: Path, page: str, section: str | None = None) -> None:
    for block in blocks(project / page, section):
        try:
            carry_out(block, project)
        except BrokenBlockError as broken:
            # the page is at fault, and not a line of Python
            raise pytest.fail.Exception(str(broken), pytrace=False) from None


def traces(project: Path, pattern: str) -> list[str]:
    """The files that still have a trace of what was removed; its history stays."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=project).stdout.splitlines()
    history = ("alembic/versions/", "app/tests/test_migrations.py", "requirements", "LICENSE")
    return [
        name
        for name in listed
        if not name.startswith(history)
        and (project / name).is_file()
        and re.search(pattern, name + (project / name).read_text())
    ]


def test_list_of_commands_is_what_make_prints(installed: Path) -> None:
    follow(installed, "README.md", "Start")


@pytest.mark.slow
def test_walk_through_leads_to_a_resource_that_passes_everything(installed: Path) -> None:
    follow(installed, "docs/tutorial.md", "Add your own resource")

    shutil.copy(INSIDE / "tutorial/test_tutorial.py", installed / "app/tests")
    lint(installed, "walk")
    make(installed, "test")


@pytest.mark.slow
def test_removal_of_the_example_leaves_no_trace_and_passes_everything(installed: Path) -> None:
    follow(installed, "docs/tutorial.md", "Remove the example")

    lint(installed, "without example")
    make(installed, "test")
    assert not traces(installed, r"(?i:\bpets?\b)|Pet[A-Z]|PET_|_pet|pet_")


MAIL = (
    r"MAIL_(URL|FROM|SENDER)|FRONTEND_URL|EMAIL_VERIFICATION|email_verified|pending_email|outgoing_mail|aiosmtp"
    r"|app[./]mail\b|mailpit|\.mail\b|accounts\.md|\b587\b"
)


SECOND_FACTOR = r"(?i)totp|(?<!No )second.factor|mfa_|recovery.code|login_method|one_moment"


def test_a_lost_password_is_recovered_by_curl_alone(template: Path, environment: Path, tmp_path: Path) -> None:
    port = str(free_port())
    with initialised_project(template, environment, tmp_path) as project, served(project, int(port), {"PORT": port}):
        for block in blocks(project / "docs/accounts.md", "By curl"):
            carry_out(replace(block, text=block.text.replace("8000", port)), project)


@pytest.mark.slow
def test_removal_of_mail_leaves_no_trace_and_passes_everything(installed: Path) -> None:
    follow(installed, "docs/accounts.md", "Remove mail")

    make(installed, "lint")
    make(installed, "test")
    assert not traces(installed, MAIL)


@pytest.mark.slow
def test_passkeys_then_second_factors_then_mail_are_removed_without_a_trace(installed: Path) -> None:
    for page, section, pattern in (
        ("docs/second-factor.md", "Remove passkeys", r"(?i)passkey|webauthn|cbor|rp_id|segno"),
        ("docs/second-factor.md", "Remove second factors", SECOND_FACTOR),
        ("docs/accounts.md", "Remove mail", MAIL),
    ):
        follow(installed, page, section)
        assert not traces(installed, pattern)
        make(installed, "lint")
        make(installed, "test")


@pytest.mark.slow
def test_a_second_factor_is_set_up_used_and_taken_away_by_curl(
    template: Path, environment: Path, tmp_path: Path
) -> None:
    with initialised_project(template, environment, tmp_path) as project:
        port = free_port()
        page = project / "docs/second-factor.md"
        page.write_text(page.read_text().replace("http://127.0.0.1:8000", f"http://127.0.0.1:{port}"))
        walk = [
            block
            for section in ("By curl", "Superusers", "Somebody lost everything")
            for block in blocks(page, section)
            if block.language == "console"
        ]
        with served(project, port, {"SUPERUSER_SECOND_FACTOR": "required"}):
            try:
                carry_out_in_one_shell(walk, project)
            except BrokenBlockError as broken:
                raise pytest.fail.Exception(str(broken), pytrace=False) from None


@pytest.mark.slow
def test_recipes_work(installed: Path) -> None:
    follow(installed, "docs/recipes.md")
    for test in INSIDE.glob("recipes/*.py"):
        shutil.copy(test, installed / f"app/tests/test_recipe_{test.name}")

    make(installed, "format")
    lint(installed, "recipes")
    result = run("make", "test", "ARGS=-k recipe --quiet --tb=short", cwd=installed)
    assert result.returncode == 0, result.stdout
    assert run(".venv/bin/python", "-m", "alembic", "check", cwd=installed).returncode == 0


ISSUED = "from app.core.security import issuer, public_keys; print(issuer(), *(key['alg'] for key in public_keys()))"


def test_a_private_key_is_switched_on_as_documented(installed: Path) -> None:
    make(installed, "env")

    follow(installed, "docs/other-services.md", "Switch it on")

    assert run(".venv/bin/python", "-c", ISSUED, cwd=installed).stdout == "https://api.example.com ES256\n"


TOKEN = """
import uuid
from app.core.security import create_access_token
print(create_access_token(uuid.UUID(int=1), uuid.UUID(int=2), 0, 2**31))
"""
CLAIMS = "import sys; from app.core.security import read_access_token; print(read_access_token(sys.argv[1]))"


def test_keys_rotate_with_no_one_logged_out(installed: Path) -> None:
    python = ".venv/bin/python"
    make(installed, "env")
    before = read_env(installed)
    former = run(python, "-c", TOKEN, cwd=installed).stdout.strip()

    follow(installed, "README.md", "Rotate the key")

    after = read_env(installed)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"SECRET_KEY", "SECRET_KEY_FALLBACKS"}
    assert before["SECRET_KEY"] in after["SECRET_KEY_FALLBACKS"].split(",")
    assert stat.S_IMODE((installed / ".env").stat().st_mode) == 0o600
    assert {path.name for path in installed.glob(".env*")} == {".env", ".env.example"}
    for token in (former, run(python, "-c", TOKEN, cwd=installed).stdout.strip()):
        assert "AccessClaims" in run(python, "-c", CLAIMS, token, cwd=installed).stdout
    env = {"SECRET_KEY_FALLBACKS": "x" * 40}
    assert run(python, "-c", CLAIMS, former, cwd=installed, environment=env).stdout == "None\n"


UNSET = "\N{EN DASH}"
DEFAULTS = """
import json
from app.core.config import Settings
defaults = {name.upper(): field.default for name, field in Settings.model_fields.items()}
print(json.dumps(defaults, default=lambda _: None))
"""


def test_settings_of_readme_example_and_code_agree(installed: Path) -> None:
    make(installed, "env")
    readme, env_example = ((installed / name).read_text() for name in ("README.md", ".env.example"))
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", readme, re.MULTILINE)
    described = {name: default.strip("`") for name, default in rows}
    lines = re.findall(r"^#? ?([A-Z_]+)=(.*)$", env_example, re.MULTILINE)
    example = dict(lines)
    in_order = r"^##+ (.+)$|^(?:\| `|# )?([A-Z_]+)(?:` \||=)"  # sections and variables
    settings = re.search(r"^## Settings$(.*)^### Rotate the key$", readme, re.DOTALL | re.MULTILINE)
    assert settings
    assert re.findall(in_order, settings[1], re.MULTILINE) == re.findall(in_order, env_example, re.MULTILINE)
    defaults = json.loads(run(".venv/bin/python", "-c", DEFAULTS, cwd=installed).stdout)

    assert set(described) == set(defaults) == set(example)
    assert len(lines) == len(example)
    for name, default in defaults.items():
        if default is not None:
            text = ",".join(default) if isinstance(default, list) else str(default)
            assert described[name].lower() == (text.lower() or "empty"), name
        if example[name] and described[name] != UNSET:
            assert example[name] == described[name], name


def test_links_lead_somewhere(project: Path) -> None:
    pages = [path for path in files(project) if path.suffix == ".md"]
    anchors = {
        page: {
            re.sub(r"[^\w\- ]", "", heading).replace(" ", "-").lower()
            for heading in re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
        }
        for page in pages
    }
    for page in pages:
        for target in re.findall(r"\]\((?!https?:|mailto:)([^)]+)\)", page.read_text()):
            name, _, anchor = target.partition("#")
            other = (page.parent / name).resolve() if name else page
            assert other.exists(), f"{page.name}: {target}"
            assert not anchor or anchor in anchors[other], f"{page.name}: {target}"


def test_a_broken_block_is_named(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# Page\n\n## Part\n\nChange `code.py`:\n\n```diff\n-two\n+three\n```\n")
    (tmp_path / "code.py").write_text("one\n")
    (block,) = blocks(tmp_path / "page.md", "Part")

    with pytest.raises(
        BrokenBlockError, match=r"page\.md, line 7, in “Page / Part”: Change `code.py`:\n\nThe file has"
    ):
        carry_out(block, tmp_path)


@pytest.mark.parametrize(
    ("command", "expected", "why"),
    [("false", "", "ends with 1"), ("echo good", "bad", "prints:\ngood"), ("echo good", "…\nbad", "prints:\ngood")],
)
def test_a_command_that_prints_something_else_is_named(command: str, expected: str, why: str, tmp_path: Path) -> None:
    block = Block(tmp_path / "page.md", 1, ("Page",), "", "console", f"$ {command}\n{expected}")

    with pytest.raises(BrokenBlockError, match=f"`{command}` {why}"):
        carry_out(block, tmp_path)


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("$ name=value\n$ echo $name; echo two \\\n  words\nvalue\ntwo …s", False),
        ("$ name=value\n$ echo $name\nother", True),
        ("$ echo one\none\n$ echo $nothing", True),
        ("$ echo one\none\n$ exit\n$ true", True),
    ],
)
def test_commands_of_a_walk_share_variables(text: str, broken: bool, tmp_path: Path) -> None:
    block = Block(tmp_path / "page.md", 1, ("Page",), "", "console", text)

    with pytest.raises(BrokenBlockError) if broken else nullcontext():
        carry_out_in_one_shell([block], tmp_path)


def test_prompt_session_of_the_readme_is_that_of_the_questions() -> None:
    readme = (ROOT / "README.md").read_text()
    prompts = json.loads((ROOT / "cookiecutter.json").read_text())["__prompts__"]
    for number, (name, prompt) in enumerate(prompts.items(), start=1):
        sentence = prompt if isinstance(prompt, str) else prompt["__prompt__"]
        assert f"[{number}/{len(prompts)}] {sentence}" in readme, name
        for choice in [] if isinstance(prompt, str) else [prompt[key] for key in prompt if key != "__prompt__"]:
            assert f" - {choice}\n" in readme


def tree(page: Path, section: str) -> list[str]:
    """The paths that a drawn tree names."""
    (drawn,) = [block for block in blocks(page, section) if block.language == "text"]
    paths: list[str] = []
    folders: list[str] = []
    for line in drawn.text.splitlines():
        indent, name = re.match(r"( *)(\S+)", line).groups()  # type: ignore[union-attr]
        folders = [*folders[: len(indent) // 2], name]
        paths.append("".join(folders))
    return paths


def test_tree_of_the_readme_is_that_of_a_project(template: Path, tmp_path: Path) -> None:
    scaffold(template, tmp_path, {"project_name": "shop-api"})
    assert not [path for path in tree(ROOT / "README.md", "What you get") if not (tmp_path / path).exists()]


def test_map_of_a_project_names_every_file_once(project: Path) -> None:
    named = tree(project / "README.md", "Map")
    assert len(named) == len(set(named))
    assert not [path for path in named if not (project / path).exists()]
    whole = tuple(path for path in named if path.endswith("/") and sum(n.startswith(path) for n in named) == 1)
    for path in files(project):
        name = path.relative_to(project).as_posix()
        is_understood = name.startswith((".", *whole)) or path.name == "__init__.py"
        assert is_understood or name in named, name
