"""The pages about the template itself hold together."""

import re
from pathlib import Path

import pytest
from features import table
from scaffolding import FEATURES, ROOT

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


def test_the_readme_quotes_the_ratios_of_the_benchmark() -> None:
    """Each is that of the requests per second beside it in the table."""
    report = (ROOT / "benchmarks/README.md").read_text()
    rows = re.findall(r"^\| (?:GET|POST) \S+ \| (floor|project) \| (\d+) \| (\S+) \|", report, re.MULTILINE)
    assert [server for server, _, _ in rows] == ["floor", "project"] * 4
    shares = [f"{int(rows[n + 1][1]) / int(rows[n][1]):.2f}" for n in range(0, len(rows), 2)]
    assert [share for server, _, share in rows if server == "project"] == shares

    speed = (ROOT / "README.md").read_text().partition("## How fast it is")[2]
    assert re.findall(r"\b0\.\d\d\b(?!\.)", speed) == shares


def test_the_readme_has_the_figures_of_the_features(template: Path) -> None:
    """Packages as they are, lines within a tenth: `python scripts/features.py` prints the table anew."""

    def figures(text: str) -> dict[str, list[int]]:
        rows = re.findall(r"^\| (.+?) \|((?: \+? ?[\d,]+ \|){3})$", text, re.MULTILINE)
        return {name: [int(number.replace(",", "")) for number in re.findall(r"[\d,]+", row)] for name, row in rows}

    shown, measured = figures((ROOT / "README.md").read_text()), figures(table(template))
    assert len(measured) == len(FEATURES) + 2  # none of them, all
    assert shown.keys() == measured.keys()
    for name, (*lines, packages) in measured.items():
        assert shown[name][-1] == packages, name
        assert shown[name][:-1] == pytest.approx(lines, rel=0.1, abs=50), name
