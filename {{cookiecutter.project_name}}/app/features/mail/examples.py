"""Writes one mail of each kind into a folder, for a look at them: `python -m app.features.mail.examples`."""

import uuid
from datetime import UTC, datetime

from app.core.config import PROJECT_DIR
from app.features.mail.messages import PAGES, TEMPLATES, render

FOLDER = PROJECT_DIR / ".mail/examples"


def write_examples() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in sorted(TEMPLATES.glob("*.txt")):
        token = uuid.UUID(int=0).hex * 2 if path.stem in PAGES else None
        content = render(path.stem, datetime.now(UTC), token)
        (FOLDER / path.name).write_text(f"Subject: {content.subject}\n\n{content.text}", encoding="utf-8")
        (FOLDER / f"{path.stem}.html").write_text(content.html, encoding="utf-8")


if __name__ == "__main__":
    write_examples()
    print(f"Wrote them to {FOLDER.relative_to(PROJECT_DIR)}/")  # noqa: T201
