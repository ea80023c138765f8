"""Rules that hold for every file of the pages, those of other features included."""

import json
import re
from collections.abc import Iterator

from app import features
from app.api.feature import Feature
from app.features.account_pages.files import files, read_files
from app.main import create_app

HTML = {path: file.content for path, file in files().items() if path.endswith(".html")}
SCRIPTS = {path: file.content for path, file in files().items() if path.endswith(".js")}
# What turns text into HTML or code, or keeps it on the disk.
FORBIDDEN = re.compile(
    r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|setHTMLUnsafe|createContextualFragment"
    r"|localStorage|sessionStorage|indexedDB|document\.cookie|eval|new Function|javascript:|await import)\b"
)


def test_no_page_has_code_or_style_of_its_own() -> None:
    assert len(HTML) >= 3
    for path, html in HTML.items():
        assert not re.search(r"<style|<iframe|<object|<base|<meta http-equiv", html), path
        assert not re.search(r"<[^>]+\s(on\w+|style|srcdoc|formaction)\s*=", html), path
        assert not re.findall(r"<script(?![^>]* src=)", html), path
        assert not re.search(r'(src|href|action)="(?!\$|#)', html), f"{path}: only what the server itself has"


def test_no_script_makes_code_of_text_or_keeps_anything() -> None:
    assert len(SCRIPTS) >= 8
    for path, script in SCRIPTS.items():
        assert not FORBIDDEN.search(script), path


def test_every_form_works_for_keyboards_screen_readers_and_password_managers() -> None:
    for path, html in HTML.items():
        labels = re.findall(r'<label for="([^"]+)"', html)
        for control in re.findall(r"<input\b[^>]*>", html):
            attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', control))
            assert attributes.get("type") == "checkbox" or "autocomplete" in attributes, f"{path}: {control}"
            assert " hidden" in control or attributes["id"] in labels, f"{path}: {control}"
        assert html.count("<form") == html.count('method="post"'), "without scripts, no field may get into an address"
        enabled = re.findall(r'<button(?![^>]* (?:disabled|type="button"))[^>]*>', html)
        assert not enabled, f"{path}: before its script is there, sending the form would leave the page"


def details() -> Iterator[str]:
    """Each `detail` that routes of accounts may respond with: the core's, and those of features with pieces."""
    folders = {file.feature for file in read_files().values()}
    tags = {"auth", "browser", "users"}
    tags |= {room.name for folder, room in vars(features).items() if isinstance(room, Feature) and folder in folders}
    for operations in create_app(with_every_route=True).openapi()["paths"].values():
        for operation in operations.values():
            if tags.intersection(operation["tags"]):
                for example in re.findall(r'"detail": ("(?:[^"\\]|\\.)*")', json.dumps(operation["responses"])):
                    yield json.loads(example)


def test_every_refusal_of_the_api_has_words_or_falls_to_the_general_sentence_on_purpose() -> None:
    words = "".join(file.content for path, file in read_files().items() if path.endswith(".js"))
    found = set(details())
    assert len(found) > 15
    assert not {detail for detail in found if f"{json.dumps(detail)}: " not in words}
