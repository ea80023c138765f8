"""`make deploy-test`: a fresh project with the default answers, then scenario.py with that project's Python."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from running import run_to_the_end

HERE = Path(__file__).parent
PROGRAMS = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"  # where Debian installs them; a user's PATH lacks it
# The project's make must not inherit this one's options.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


def main() -> int:
    for program in ("haproxy", "pgbouncer"):
        if shutil.which(program, path=PROGRAMS) is None:
            sys.exit(f"{program} is missing. On Debian and Ubuntu: apt install haproxy pgbouncer")
    with tempfile.TemporaryDirectory() as folder:
        cookiecutter = [sys.executable, "-m", "cookiecutter", "--no-input", "--default-config", "--output-dir", folder]
        subprocess.run([*cookiecutter, str(HERE.parent)], check=True, stdout=subprocess.DEVNULL)
        project = Path(folder, "my-api")
        subprocess.run(["make", "--no-print-directory", "env"], cwd=project, env=ENVIRONMENT, check=True)
        scenario = [project / ".venv/bin/python", HERE / "scenario.py", project]
        return run_to_the_end(scenario, ENVIRONMENT | {"PATH": PROGRAMS})


if __name__ == "__main__":
    sys.exit(main())
