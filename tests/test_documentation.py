"""What the README and the recipes of a rendered project say, carried out."""

import json
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from documentation import Block, BrokenBlockError, blocks, carry_out, carry_out_in_one_shell, remove_the_example
from scaffolding import (
    ALL,
    PATIENCE,
    ROOT,
    features,
    files,
    installed_project,
    link_environment,
    lint,
    make,
    read_env,
    run,
    scaffold,
)
from serving import QUICK, Api, free_port, initialised_project, served

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
    history = ("alembic/versions/", "app/tests/test_migrations.py", "docs/tutorial.md", "requirements", "LICENSE")
    return [
        name
        for name in listed
        if not name.startswith(history)
        and (project / name).is_file()
        and re.search(pattern, name + (project / name).read_text())
    ]


def test_list_of_commands_is_what_make_prints(installed: Path) -> None:
    follow(installed, "README.md", "Start")


# As in its image, but without emails: production refuses the folder into which development writes them.
PRODUCTION = {"ENVIRONMENT": "production", "ALLOWED_HOSTS": "localhost,127.0.0.1", "MAIL_URL": ""}


def respond(api: Api, method: str, path: str, token: str = "", body: Mapping[str, object] | None = None) -> object:
    """The JSON that comes back, or the status of a refusal."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = Request(f"{api.url}{path}", json.dumps(body).encode() if body else None, headers, method=method)
    try:
        with urlopen(request, timeout=PATIENCE) as response:
            return json.load(response)
    except HTTPError as error:
        with error:
            return error.code


def log_in(api: Api, email: str, password: str) -> str:
    form = urlencode({"username": email, "password": password}).encode()
    with urlopen(f"{api.url}/auth/access-token", form, timeout=PATIENCE) as response:
        return str(json.load(response)["access_token"])


def assert_events_are_served(api: Api) -> None:
    """Those of the tutorial: their relation, optional field, filter, search and role."""
    ana = {"email": "ana@example.com", "password": "correct horse battery staple"}
    respond(api, "POST", "/users/register", body=ana)
    owner, superuser = log_in(api, **ana), log_in(api, api.email, api.password)
    event = {"slug": "party", "title": "Party", "starts_at": "2030-06-21T18:00:00+02:00", "place": "The garden"}
    created = respond(api, "POST", "/events", owner, event)
    assert isinstance(created, dict)
    assert (created["place"], created["talks"]) == ("The garden", [])
    talk = respond(api, "POST", "/events/party/talks", owner, {"title": "A talk"})
    assert isinstance(talk, dict)

    changed = respond(api, "PATCH", "/events/party", superuser, {"place": None, "status": "confirmed"})
    assert changed == created | {"place": None, "status": "confirmed", "talks": [talk]}
    assert respond(api, "PATCH", "/events/party", owner, {"title": None}) == 422
    for query, found in (("?search=part&status=confirmed", [changed]), ("?status=planned", []), ("", [changed])):
        assert respond(api, "GET", f"/events{query}", owner) == found
    assert respond(api, "GET", "/events") == 401


@pytest.mark.slow
def test_walk_through_leads_to_a_resource_that_passes_everything(installed: Path) -> None:
    follow(installed, "docs/tutorial.md", "Add your own resource")

    shutil.copy(INSIDE / "tutorial/test_tutorial.py", installed / "app/tests")
    lint(installed)
    make(installed, "test")
    initialised = run("bash", "init.sh", cwd=installed, environment=QUICK | PRODUCTION)
    assert initialised.returncode == 0, initialised.stderr
    with served(installed, free_port(), PRODUCTION) as deployed:
        assert_events_are_served(deployed)


@pytest.mark.slow
def test_the_example_is_removed_in_five_plain_steps(installed: Path) -> None:
    remove_the_example(installed)
    make(installed, "format")
    named = run("make", "migration", "name=remove pets", cwd=installed)
    assert named.returncode == 0, named.stdout + named.stderr
    make(installed, "migrate")
    make(installed, "openapi")

    lint(installed)
    make(installed, "test")
    assert not traces(installed, r"Pet[A-Z]|PET_|_pets?\b|\bpets[./]|/pets")


def walk_by_curl(walk: list[Block], project: Path, settings: dict[str, str]) -> None:
    """Carry the blocks out against a server with these settings, at a free port."""
    port = free_port()
    here = [
        replace(block, text=block.text.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{port}")) for block in walk
    ]
    with served(project, port, settings):
        try:
            carry_out_in_one_shell(here, project)
        except BrokenBlockError as broken:
            raise pytest.fail.Exception(str(broken), pytrace=False) from None


def test_a_lost_password_is_recovered_by_curl_alone(template: Path, environment: Path, tmp_path: Path) -> None:
    port = str(free_port())
    settings = {"PORT": port, "ACCOUNT_PAGES": "false"}
    with initialised_project(template, environment, tmp_path) as project, served(project, int(port), settings):
        for block in blocks(project / "docs/mail.md", "By curl"):
            carry_out(replace(block, text=block.text.replace("8000", port)), project)


def test_a_section_and_colours_of_one_s_own_are_on_the_account_page(
    template: Path, environment: Path, tmp_path: Path
) -> None:
    project = scaffold(template, tmp_path, ALL)
    link_environment(project, environment)
    for section in ("A section on the account page", "Your colours on the account pages"):
        follow(project, "docs/recipes.md", section)
    show = "import app.main; from app.features.account_pages.files import page; print(page('account'))"
    shown = run(project / ".venv/bin/python", "-c", show, cwd=project)
    assert shown.returncode == 0, shown.stderr
    assert '<section id="pets"' in shown.stdout
    assert 'src="/account/files/pet_list/account_pages/account.js"' in shown.stdout


@pytest.mark.slow
def test_a_second_factor_is_set_up_used_and_taken_away_by_curl(
    template: Path, environment: Path, tmp_path: Path
) -> None:
    with initialised_project(template, environment, tmp_path) as project:
        walk = [
            block
            for page, section in (
                ("second_factor", "By curl"),
                ("superuser_factor", "By curl"),
                ("second_factor", "Somebody lost everything"),
            )
            for block in blocks(project / f"docs/{page}.md", section)
            if block.language == "console"
        ]
        walk_by_curl(walk, project, {"SUPERUSER_SECOND_FACTOR": "required"})


def test_an_api_key_is_made_used_exchanged_and_ended_by_curl(template: Path, environment: Path, tmp_path: Path) -> None:
    with initialised_project(template, environment, tmp_path) as project:
        walk = [block for block in blocks(project / "docs/api_keys.md") if block.language == "console"]
        walk_by_curl(walk, project, {})


@pytest.mark.slow
def test_a_role_of_ones_own_works(template: Path, environment: Path, tmp_path: Path) -> None:
    with installed_project(template, environment, tmp_path, features("api_keys")) as project:
        follow(project, "docs/api_keys.md", "A role of your own")
        make(project, "format")
        lint(project)
        tests = "app/features/api_keys/tests/test_roles.py app/tests/test_openapi.py app/tests/test_scopes.py"
        result = run("make", "test", f"ARGS={tests}", cwd=project)
        assert result.returncode == 0, result.stdout


def test_the_first_steps_of_the_readme_log_in(template: Path, environment: Path, tmp_path: Path) -> None:
    with initialised_project(template, environment, tmp_path) as project:
        walk_by_curl(blocks(project / "README.md", "First steps"), project, {})


@pytest.mark.slow
def test_recipes_work(installed: Path) -> None:
    follow(installed, "docs/recipes.md")
    for test in INSIDE.glob("recipes/*.py"):
        shutil.copy(test, installed / f"app/tests/test_recipe_{test.name}")

    make(installed, "format")
    lint(installed)
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

    follow(installed, "docs/settings.md", "Rotate the key")

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


def test_settings_page_and_env_example_have_the_same_sections(featured: Path) -> None:
    """The project's own tests compare both with the code."""
    page, env_example = ((featured / name).read_text() for name in ("docs/settings.md", ".env.example"))
    in_order = r"^## (.+)$|^(?:\| `)?([A-Z_]+)(?:` \||=)"  # sections and variables
    listed = re.findall(in_order, page.partition("\n## Rotate the key")[0], re.MULTILINE)

    assert len(listed) > 40
    assert listed == re.findall(in_order, env_example, re.MULTILINE)


def test_links_lead_somewhere(featured: Path) -> None:
    pages = [path for path in files(featured) if path.suffix == ".md"]
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


def test_links_say_where_they_lead(featured: Path) -> None:
    for page in (path for path in files(featured) if path.suffix == ".md"):
        text = page.read_text()
        assert not re.findall(r"\[(?:that|this|these|here|it|one|below|see below|another way)\]\(|see below", text), (
            page.name
        )


def test_threats_are_read_in_groups(featured: Path) -> None:
    threats = (featured / "SECURITY.md").read_text().partition("## What is defended")[2].partition("\n## ")[0]
    groups = re.split(r"^### ", threats, flags=re.MULTILINE)[1:]
    assert len(groups) >= 4
    assert all(1 <= len(re.findall(r"^\| (?!threat)", group, re.MULTILINE)) <= 8 for group in groups)


def test_without_make_is_what_make_does(featured: Path) -> None:
    """The same server, with one line in the log for each request; and an environment that `make` takes as it is."""
    (server,) = re.findall(r"uvicorn (app\.main:app .*?) --timeout", (featured / "Makefile").read_text())
    assert "--no-access-log" in server
    without_make, with_uv = (
        blocks(featured / "docs/development.md", section)[0].text for section in ("Without make", "With uv")
    )
    for commands in (without_make, with_uv):
        assert f"uvicorn {server}\n" in f"{commands}\n"
    assert "touch .venv/.installed" in without_make.splitlines()


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


def test_map_of_a_project_names_its_folders(featured: Path) -> None:
    named = tree(featured / "README.md", "Map")
    assert not [path for path in named if not (featured / path).exists()]
    folders = {f"app/{path.name}/" for path in (featured / "app").iterdir() if path.is_dir()}
    assert {name for name in folders - set(named) if not re.search("__", name)} == set()
    assert len(named) <= 14
