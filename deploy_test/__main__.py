"""`make deploy-test`: a fresh project with the default answers, then scenario.py with that project's Python."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.running import run_to_the_end
from scripts.template import ENVIRONMENT, render_command

HERE = Path(__file__).parent
PROGRAMS = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"  # where Debian has them, and a user's PATH has not


def main() -> int:
    for program in ("haproxy", "pgbouncer"):
        if shutil.which(program, path=PROGRAMS) is None:
            sys.exit(f"{program} is missing. On Debian and Ubuntu: apt install haproxy pgbouncer")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(render_command(folder, "--default-config"), check=True, stdout=subprocess.DEVNULL)
        project = Path(folder, "my-api")
        subprocess.run(["make", "--no-print-directory", "env"], cwd=project, env=ENVIRONMENT, check=True)
        scenario = [project / ".venv/bin/python", HERE / "scenario.py", project]
        # the scenario starts PostgreSQL as the project's scripts do
        return run_to_the_end(scenario, ENVIRONMENT | {"PATH": PROGRAMS, "PYTHONPATH": str(project / "scripts")})


if __name__ == "__main__":
    sys.exit(main())
