"""How the template's tools run a program that starts servers of its own."""

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_to_the_end(command: Sequence[str | Path], environment: Mapping[str, str]) -> int:
    """Run a program and return its exit status.

    A signal that ends this process interrupts the program once, as Ctrl-C does; this then waits for its clean-up.
    """

    def end(number: int, _: FrameType | None) -> None:
        for ending in ENDINGS:
            signal.signal(ending, signal.SIG_IGN)
        sys.exit(128 + number)

    for ending in ENDINGS:
        signal.signal(ending, end)
    # In its own session: a signal from a terminal or `timeout` to the whole group would interrupt its clean-up.
    program = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        return program.wait()
    finally:
        program.send_signal(signal.SIGINT)
        program.wait()
