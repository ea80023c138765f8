"""Refuses an old Python and a bad project name before any file is written, and notes whether the project is new.

cookiecutter creates the folder before it runs this hook, and removes only its last part afterwards. So `__folder` in
cookiecutter.json replaces a name that could nest or reach outside with a harmless one, which is refused here, too.
"""

import re
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 — cookiecutter itself runs on older ones
    sys.exit(
        f"A project needs Python 3.11 or newer, but this cookiecutter runs on {sys.version.split()[0]}. "
        "Install it with a newer one, as the template's README says."
    )

NAME = {{cookiecutter.project_name | tojson}}

# The name of a Python distribution can't end in - or _: pip and uv refuse it.
if not re.fullmatch(r"[A-Za-z](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?", NAME):
    sys.exit(
        "Please choose another project_name: it starts with a letter, continues with letters, digits, - and _, "
        "ends with a letter or digit, and has 64 characters at most."
    )

if not any(Path().iterdir()):
    Path(".new").touch()
