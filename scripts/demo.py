"""`make demo`: set up a project with all features in demo/, and serve it until Ctrl-C. Its data stays."""

import contextlib
import http.client
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rendering import ENVIRONMENT, TEMPLATE, render_command
from running import ENDINGS

# The questions that are answered by yes or no
ANSWERS = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
ALL_FEATURES = [f"{name}=yes" for name, answer in ANSWERS.items() if isinstance(answer, bool)]
DEMO = TEMPLATE / "demo"
PROJECT = DEMO / "my-api"
MAKE = ["make", "--no-print-directory", "-C", str(PROJECT)]


def chosen_port(text: str) -> int:
    """Refuse a taken port before anything is set up."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", int(text)))
    except (ValueError, OverflowError):
        sys.exit(f"PORT is a number from 1 to 65535, not {text!r}.")
    except OSError as error:
        sys.exit(f"Port {text} cannot be used ({error.strerror}). Choose another one: make demo PORT=8001")
    return int(text)


def scaffold() -> None:
    """Render elsewhere and move, so that an interrupted attempt doesn't leave half a project behind."""
    if PROJECT.exists():
        print(f"Using the project in {PROJECT} (delete it to start afresh).", flush=True)
        return
    print(f"Scaffolding a project with all features into {PROJECT} ...", flush=True)
    DEMO.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=DEMO) as folder:
        render = [*render_command(TEMPLATE, Path(folder), "--default-config"), *ALL_FEATURES]
        if subprocess.run(render, stdout=subprocess.DEVNULL, check=False).returncode:
            sys.exit("Scaffolding failed, see above.")
        Path(folder, PROJECT.name).rename(PROJECT)


def wait_until_it_responds(port: int, server: "subprocess.Popen[bytes]") -> bool:
    while server.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", "/health/ready")
            connection.getresponse()
            return True
        time.sleep(0.2)
    return False


def say_what_to_do(port: int) -> None:
    env_file = PROJECT / ".env"
    settings = dict(line.split("=", 1) for line in env_file.read_text().splitlines() if "=" in line)
    email = settings["FIRST_SUPERUSER_EMAIL"]
    password = f"$(sed -n 's/^FIRST_SUPERUSER_PASSWORD=//p' {shlex.quote(str(env_file))})"
    print(
        f"""
The demo is running. Register and log in at http://localhost:{port}/account
The documentation of its API is at http://127.0.0.1:{port}/docs
First superuser: {email}, whose password is FIRST_SUPERUSER_PASSWORD in {env_file}
Log in there, or from another terminal:

curl http://127.0.0.1:{port}/auth/access-token --data-urlencode username={email} --data-urlencode "password={password}"

Emails come as files into {PROJECT / ".mail"}
Ctrl-C ends the server and its databases. The data stays.
""",
        flush=True,
    )


def end(server: "subprocess.Popen[bytes]") -> None:
    """End the server's whole process group, then the databases."""
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)  # they must not interrupt the clean-up below
    for ending, patience in ((signal.SIGINT, 10), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, ending)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(patience)
    if (PROJECT / ".venv/.installed").exists():  # otherwise nothing runs, and make would install it all
        subprocess.run([*MAKE, "stop"], env=ENVIRONMENT, stdin=subprocess.DEVNULL, start_new_session=True, check=False)


def main() -> int:
    for ending in ENDINGS:
        signal.signal(ending, signal.default_int_handler)
    port = chosen_port(sys.argv[1])
    scaffold()
    # In a session of its own, so that Ctrl-C doesn't reach it: this script ends it, completely and in order.
    server = subprocess.Popen(
        [*MAKE, "dev", f"PORT={port}"], env=ENVIRONMENT, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        if wait_until_it_responds(port, server):
            say_what_to_do(port)
        return server.wait()
    finally:
        end(server)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
