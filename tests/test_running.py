"""`make bench` and `make deploy-test` stop what they started, whatever ends them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scaffolding import PATIENCE

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "scripts")}
TOOL = """
import sys
from running import run_to_the_end
sys.exit(run_to_the_end(sys.argv[1:], {}))
"""
PROGRAM = """
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
try:
    folder.joinpath("begun").touch()
    signal.pause()
except KeyboardInterrupt:
    folder.joinpath("stopping").touch()
    time.sleep(0.5)  # servers take their time
    folder.joinpath("stopped").touch()
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_ends_a_tool_lets_its_program_clean_up(ending: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-c", TOOL, sys.executable, "-c", PROGRAM, str(tmp_path)]
    tool = subprocess.Popen(command, env=ENVIRONMENT, start_new_session=True)
    give_up = time.monotonic() + PATIENCE
    for stage in ("begun", "stopping"):  # twice, as `timeout` and make both send a signal
        while not (tmp_path / stage).exists() and time.monotonic() < give_up:
            time.sleep(0.02)
        os.killpg(tool.pid, ending)
    assert tool.wait(PATIENCE) == 128 + ending
    assert (tmp_path / "stopped").exists()


def test_a_tool_ends_with_the_status_of_its_program() -> None:
    command = [sys.executable, "-c", TOOL, sys.executable, "-c", "raise SystemExit(3)"]
    assert subprocess.run(command, env=ENVIRONMENT, check=False).returncode == 3
