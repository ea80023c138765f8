"""The account pages in a real Chromium, beside one served project. `make screenshots` keeps the pictures."""

import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browsing import Driver, pages
from foreign import link_node_packages
from scaffolding import read_env, run
from serving import Api, free_port, served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("api"),
]  # it installs what drives the browser, and shares a server


OTHERS = {"MAIL_SENDER": "process"}  # one of the servers sends the emails, with links to its own pages


def drive(api: Api, script: str, folder: Path, **more: object) -> list[str]:
    """Run the script, and return its lines."""
    settings: dict[str, object] = {
        "name": script.removesuffix(".mjs"),
        "api": api.url,
        "hosts": [urlsplit(api.url).netloc],
        "mail": str(api.project / ".mail"),
        "python": str(api.project / ".venv/bin/python"),
        "database": read_env(api.project)["DATABASE_URL"],
        "username": api.email,
        "password": api.password,
    }
    return Driver(folder, "axe-core@4", "jsqr@1").drive(script, settings | more)


def test_every_page_is_good_for_all_eyes_and_fits_a_phone(api: Api, tmp_path: Path) -> None:
    """axe-core finds nothing, in light and dark. SCREENSHOTS may name a folder for the pictures."""
    steps = drive(api, "account_pages_gallery.mjs", tmp_path)

    pictures = sorted((tmp_path / "screenshots").glob("*.png"))
    assert len(pictures) == 4 * len(steps) == 4 * 18
    if "SCREENSHOTS" in os.environ:
        shutil.copytree(tmp_path / "screenshots", os.environ["SCREENSHOTS"], dirs_exist_ok=True)


def test_everything_can_be_done_by_keyboard(api: Api, tmp_path: Path) -> None:
    assert len(drive(api, "account_pages_keyboard.mjs", tmp_path)) == 1


def test_every_refusal_is_a_sentence_at_its_field(api: Api, tmp_path: Path) -> None:
    assert len(drive(api, "account_pages_refusals.mjs", tmp_path)) == 8


def test_an_api_key_is_made_shown_one_time_and_removed(api: Api, tmp_path: Path) -> None:
    assert len(drive(api, "api_keys.mjs", tmp_path)) == 3


def test_a_session_is_one_in_all_tabs_and_leads_nobody_away(api: Api, tmp_path: Path) -> None:
    folder, port = tmp_path / "pages", free_port()
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html><title>A page</title><p>A page of another origin")
    with pages(folder) as listed:
        origin = f"http://localhost:{listed}"
        # Without a leeway, two refreshes at once would end a session: the tabs have to take turns.
        settings = {"PUBLIC_URL": f"http://localhost:{port}", "REFRESH_TOKEN_LEEWAY": "0"}
        with served(api.project, port, OTHERS | settings | {"BACKEND_CORS_ORIGINS": origin}) as own:
            hosts = [f"localhost:{port}", f"localhost:{listed}"]
            steps = drive(own, "account_pages_sessions.mjs", tmp_path, listed=origin, hosts=hosts)
    assert len(steps) == 7


@pytest.mark.parametrize("registration", ["open", "discreet"])
def test_where_only_confirmed_addresses_log_in_the_pages_say_so(api: Api, tmp_path: Path, registration: str) -> None:
    port = free_port()
    settings = {"PUBLIC_URL": f"http://localhost:{port}", "EMAIL_VERIFICATION": "required"}
    with served(api.project, port, OTHERS | settings | {"REGISTRATION": registration}) as own:
        assert len(drive(own, "account_pages_unverified.mjs", tmp_path, registration=registration)) == 1


def test_the_scripts_of_all_pages_have_no_type_error(template: Path, tmp_path: Path) -> None:
    """Without a browser, so that it runs wherever Node does."""
    link_node_packages(tmp_path, "typescript@5")
    features = template / "{{cookiecutter.project_name}}/app/features"
    scripts = sorted([*features.glob("*/account_pages/*.js"), *features.glob("account_pages/pages/*.js")])
    assert len(scripts) > 10

    options = ("--allowJs", "--checkJs", "--strict", "--noEmit", "--target", "es2022", "--module", "es2022")
    libraries = ("--lib", "dom,dom.iterable,es2022", "--moduleResolution", "bundler")
    checked = run("node_modules/.bin/tsc", *options, *libraries, *scripts, cwd=tmp_path)

    assert checked.returncode == 0, checked.stdout
