"""`make deploy-test`: renders a project with the default answers, then runs scenario.py with that project's Python."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rendering import ENVIRONMENT, TEMPLATE, render_command
from running import run_to_the_end

PROGRAMS = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"  # where Debian has them, and a user's PATH has not


def main() -> int:
    for program in ("haproxy", "pgbouncer"):
        if shutil.which(program, path=PROGRAMS) is None:
            sys.exit(f"{program} is missing. On Debian and Ubuntu: apt install haproxy pgbouncer")
    with tempfile.TemporaryDirectory() as folder:
        render = render_command(TEMPLATE, Path(folder), "--default-config")
        subprocess.run(render, check=True, stdout=subprocess.DEVNULL)
        project = Path(folder, "my-api")
        subprocess.run(["make", "--no-print-directory", "env"], cwd=project, env=ENVIRONMENT, check=True)
        scenario = [project / ".venv/bin/python", TEMPLATE / "deploy_test/scenario.py", project]
        # The scenario starts PostgreSQL with the project's own script.
        return run_to_the_end(scenario, ENVIRONMENT | {"PATH": PROGRAMS, "PYTHONPATH": str(project / "scripts")})


if __name__ == "__main__":
    sys.exit(main())
