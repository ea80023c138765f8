"""Writes one email of each kind into a folder, for a look at them: `python -m app.features.mail.examples`."""

import uuid
from datetime import UTC, datetime
from string import Template

from app.core.config import PROJECT_DIR
from app.features.mail.messages import PAGES, render, text_paths

FOLDER = PROJECT_DIR / ".mail/examples"


def example_data(kind: str) -> dict[str, str]:
    """Something for each name that the text mentions."""
    text = Template(text_paths()[kind].read_text(encoding="utf-8"))
    return {name: f"[{name}]" for name in set(text.get_identifiers()) - {"project", "when"}}


def write_examples() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for kind in text_paths():
        token = uuid.UUID(int=0).hex * 2 if kind in PAGES else None
        content = render(kind, datetime.now(UTC), token, example_data(kind))
        (FOLDER / f"{kind}.txt").write_text(f"Subject: {content.subject}\n\n{content.text}", encoding="utf-8")
        (FOLDER / f"{kind}.html").write_text(content.html, encoding="utf-8")


if __name__ == "__main__":
    write_examples()
    print(f"Wrote them to {FOLDER.relative_to(PROJECT_DIR)}/")  # noqa: T201
