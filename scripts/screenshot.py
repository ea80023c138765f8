"""Takes the README's screenshot of a running project's documentation page: `python scripts/screenshot.py [URL]`.

Needs Chromium. `make demo` serves such a project.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PICTURE = Path(__file__).parent.parent / "docs/documentation-page.png"
OFFLINE = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")


def main() -> None:
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/docs"
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium was not found.")
    PICTURE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        options = [f"--user-data-dir={profile}", "--no-sandbox", "--hide-scrollbars", "--window-size=1100,1000"]
        wait = "--virtual-time-budget=8000"  # milliseconds for the page to render
        command = [chromium, "--headless", *OFFLINE, *options, wait, f"--screenshot={PICTURE}", url]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    print(f"Wrote {PICTURE}")


if __name__ == "__main__":
    main()
