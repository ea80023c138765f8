"""A project whose lock names fewer packages runs with fewer: what it forgot to ask for would be missing."""

import re
from pathlib import Path

from environments import environment_for
from scaffolding import run

LEAF = "types-passlib"  # no other package needs it


def test_a_smaller_lock_has_an_environment_of_its_own(template: Path, environment: Path, tmp_path: Path) -> None:
    lock = template / "{{cookiecutter.project_name}}/requirements-dev.txt"
    assert environment_for(lock, environment) == environment
    smaller = tmp_path / lock.name
    smaller.write_text(re.sub(rf"^{LEAF}==(?:.*\\\n)*.*\n", "", lock.read_text(), flags=re.MULTILINE))

    part = environment_for(smaller, environment)

    for python, is_there in ((environment / "bin/python", True), (part / "bin/python", False)):
        assert (run(python, "-m", "pip", "show", LEAF).returncode == 0) == is_there
    assert environment_for(smaller, environment) == part
