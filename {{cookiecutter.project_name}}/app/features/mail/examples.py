"""Writes one email of each kind into a folder, for a look at them: `python -m app.features.mail.examples`."""

import uuid
from datetime import UTC, datetime
from pathlib import Path
from string import Template

from app.core.config import PROJECT_DIR
from app.features.mail.messages import PAGES, render, text_paths

FOLDER = PROJECT_DIR / ".mail/examples"


def example_data(path: Path) -> dict[str, str]:
    """The names that a text mentions, in brackets."""
    names = set(Template(path.read_text(encoding="utf-8")).get_identifiers()) - {"project", "when", "action"}
    return {name: f"[{name}]" for name in names}


def write_examples() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for kind, path in text_paths().items():
        token = uuid.UUID(int=0).hex * 2 if kind in PAGES else None
        content = render(kind, datetime.now(UTC), token, example_data(path))
        (FOLDER / f"{kind}.txt").write_text(f"Subject: {content.subject}\n\n{content.text}", encoding="utf-8")
        (FOLDER / f"{kind}.html").write_text(content.html, encoding="utf-8")


if __name__ == "__main__":
    write_examples()
    print(f"Wrote them to {FOLDER.relative_to(PROJECT_DIR)}/")  # noqa: T201
