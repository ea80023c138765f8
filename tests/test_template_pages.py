"""The pages about the template itself hold together."""

import re
from pathlib import Path

import pytest
from scaffolding import ROOT

PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-").lower() for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)", page.read_text()):
        name, _, anchor = target.partition("#")
        other = page.parent / name if name else page
        assert other.exists(), target
        assert not anchor or anchor in anchors(other), target


def test_the_readme_quotes_the_ratios_of_the_last_run() -> None:
    report = (ROOT / "benchmarks/README.md").read_text()
    shares = re.findall(r"^\| (?:GET|POST) \S+ \| project \| \d+ \| (0\.\d\d) \|", report, re.MULTILINE)
    assert len(shares) == 4

    speed = (ROOT / "README.md").read_text().partition("## How fast it is")[2]
    assert re.findall(r"\b0\.\d\d\b(?!\.)", speed) == shares
