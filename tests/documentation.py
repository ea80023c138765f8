"""The blocks of a page of documentation, and how a reader would carry them out.

The sentence before a block says what to do with it: ``New file `x`:``, ``Add to `x`:``, ``Change `x`:`` (a diff),
``Replace both functions of `x`:``, ``It wrote `x`:``. A `console` or `bash` block is run, a `text` or `sh` one is not.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scaffolding import run

# What differs from run to run, in what a command prints and in what it writes.
PASSING = [
    (r"\d{4}_\d\d_\d\d_\d{4}", "<day>"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.\d]*\+00:00", "<time>"),
    (r"\b[0-9a-f]{12}(?=\b|_)", "<revision>"),
    (r" in \d+\.\d+s", ""),
    (r"\bport \d+", "port <port>"),
    (r"/[^\n]*?/alembic/", "/<project>/alembic/"),
    (r" +", " "),
]


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    headings: tuple[str, ...]
    sentence: str
    language: str
    text: str

    def __str__(self) -> str:
        what = self.sentence or f"the {self.language} block"
        return f"{self.page.name}, line {self.line}, in “{' / '.join(self.headings)}”: {what}"


class BrokenBlockError(AssertionError):
    """Says which block doesn't work, and why."""

    def __init__(self, block: Block, why: str) -> None:
        super().__init__(f"{block}\n\n{why}\n\nThe block:\n{block.text}")


def blocks(page: Path, section: str | None = None) -> list[Block]:
    """Those of one section with all below it, else of the page."""
    found = [block for block in _read(page) if section is None or section in block.headings]
    assert found, f"{page.name} has no block under “{section}”"
    return found


def _read(page: Path) -> Iterator[Block]:
    headings: tuple[str, ...] = ()
    sentence, fence, inside = "", 0, None
    taken: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if inside is not None:
            if line == "```":
                yield Block(page, fence, headings, sentence, inside, "\n".join(taken))
                sentence, inside, taken = "", None, []
            else:
                taken.append(line)
        elif line.startswith("```"):
            fence, inside = number, line[3:]
        elif heading := re.match(r"(#+) (.*)", line):
            headings = (*headings[: len(heading[1]) - 1], heading[2])
            sentence = ""
        elif line:
            sentence = line if line.endswith(":") else ""


def carry_out(block: Block, project: Path) -> None:
    """Do what the page says; raises BrokenBlockError where that fails."""
    if block.language in {"text", "sh", "mermaid"}:
        return
    if block.language == "console":
        _compare_console(block, project)
    elif block.language == "bash":
        result = run("bash", "-euo", "pipefail", "-c", block.text, cwd=project)
        if result.returncode:
            raise BrokenBlockError(block, f"It ends with {result.returncode}:\n{result.stdout}{result.stderr}")
    elif instruction := re.fullmatch(
        r".*?(New file|Add to|Change|Replace both functions of|It wrote) `(.*)`:", block.sentence
    ):
        _write(block, instruction[1], instruction[2], project)
    else:
        raise BrokenBlockError(block, "No sentence before it says which file it is for.")


def _write(block: Block, what: str, name: str, project: Path) -> None:
    code = block.text + "\n"
    if what == "New file":
        path = project / name
        if path.exists():
            raise BrokenBlockError(block, f"{name} is there already.")
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)
        return
    matching = list(project.glob(name))
    if len(matching) != 1:
        raise BrokenBlockError(block, f"{len(matching)} files are called {name}.")
    (path,) = matching
    old = path.read_text()
    if what == "Add to":
        imports, rest = _split(code)
        path.write_text(_after_imports(old, imports) + rest)
    elif what == "Change":
        path.write_text(_patched(block, old))
    elif what == "Replace both functions of":
        path.write_text(old[: old.index("def ")] + code)
    elif _without_passing(old) != _without_passing(code):
        raise BrokenBlockError(block, f"What it wrote differs:\n{old}")


def _split(code: str) -> tuple[str, str]:
    """The imports at the top of a block, and the rest."""
    imports = re.match(r"((from|import) [^\n]*\n|\n)*", code)
    return (imports[0], code[imports.end() :]) if imports else ("", code)


def _after_imports(old: str, imports: str) -> str:
    *_, last = re.finditer(r"^(from|import) (?:.*\([^)]*\)|.*)\n", old, re.MULTILINE)
    return old[: last.end()] + imports + old[last.end() :] + "\n\n"


def _patched(block: Block, text: str) -> str:
    for hunk in re.split(r"^@@.*\n", block.text + "\n", flags=re.MULTILINE):
        lines = [(line[:1], line[1:] + "\n") for line in hunk.splitlines()]
        old, new = ("".join(line for sign, line in lines if sign != left_out) for left_out in "+-")
        if text.count(old) != 1:
            raise BrokenBlockError(block, f"The file has this {text.count(old)} times:\n{old}")
        text = text.replace(old, new)
    return text


def _compare_console(block: Block, project: Path) -> None:
    """Run each `$` line; what it prints must be what follows it there, a line of `…` standing for any lines."""
    for part in re.split(r"^\$ ", block.text + "\n", flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        result = run("bash", "-c", f"{command} 2>&1", cwd=project)
        if result.returncode:
            raise BrokenBlockError(block, f"`{command}` ends with {result.returncode}:\n{result.stdout}")
        pattern = re.escape(_without_passing(expected)).replace(re.escape("…\n"), r"(?:.*\n)*?")
        if not re.fullmatch(pattern, _without_passing(result.stdout)):
            raise BrokenBlockError(block, f"`{command}` prints:\n{result.stdout}")


def remove_the_example(project: Path) -> None:
    """The first three of the five steps in docs/tutorial.md, which are done by hand; make does the others."""
    steps = (project / "docs/tutorial.md").read_text().partition("## Remove the example")[2]
    numbered = re.findall(r"^(\d)\. (.*)$", steps, re.MULTILINE)
    assert [number for number, _ in numbered] == list("12345")
    for name in re.findall(r"`(app/\S+\.py)`", numbered[0][1]):
        (project / name).unlink()
    for path in (project / "app/api/api.py", project / "docs/scaling.md", *project.glob("app/tests/*.py")):
        path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if "/pets" not in line))
    models = project / "app/models.py"
    pets = r"^class Pet\(Base\):.*?(?=^\S|\Z)|^PET_NAME_MAX_LENGTH = .*?\n"
    models.write_text(re.sub(pets, "", models.read_text(), flags=re.DOTALL | re.MULTILINE))


def carry_out_in_one_shell(walk: list[Block], project: Path) -> None:
    """The same for `console` blocks whose commands share variables; there, `…` also stands for a part of a line."""
    steps = [
        (block, *re.match(r"((?:.*\\\n)*.*)\n?((?:.*\n)*)", part).groups())  # type: ignore[union-attr]
        for block in walk
        for part in re.split(r"^\$ ", block.text + "\n", flags=re.MULTILINE)[1:]
    ]
    mark = "\n--- next ---\n"
    script = "".join(f"{command}\nprintf '{mark}'\n" for _, command, _ in steps)
    result = run("bash", "-uc", f"exec 2>&1\n{script}", cwd=project)
    printed_by_each = result.stdout.split(mark)
    for (block, command, expected), printed in zip(steps, printed_by_each, strict=False):
        pattern = re.escape(expected.rstrip("\n")).replace(re.escape("…\n"), r"(?:.*\n)*?").replace("…", ".*")
        if not re.fullmatch(pattern, printed.rstrip("\n")):
            raise BrokenBlockError(block, f"`{command}` prints:\n{printed}")
    if len(printed_by_each) <= len(steps):
        raise BrokenBlockError(walk[-1], "The shell ended before the last command.")


def _without_passing(text: str) -> str:
    for pattern, name in PASSING:
        text = re.sub(pattern, name, text)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())
