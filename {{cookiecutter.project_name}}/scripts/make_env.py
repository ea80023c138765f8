"""Write .env from .env.example, with secrets and free ports of its own. An existing .env stays as it is."""

import os
import secrets
import socket
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PORTS = range(15_000, 30_000)  # below the ports that operating systems hand out to clients


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def new_values() -> dict[str, str]:
    password = secrets.token_urlsafe(24)
    # at random, so that two projects on one machine don't collide even if neither is running now
    candidates = secrets.SystemRandom().sample(PORTS, k=len(PORTS))
    free_ports = filter(is_free, candidates)
    port, test_port = next(free_ports), next(free_ports)
    return {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "POSTGRES_PASSWORD": password,
        "POSTGRES_PORT": str(port),
        "TEST_POSTGRES_PORT": str(test_port),
        "DATABASE_URL": f"postgresql://postgres:{password}@127.0.0.1:{port}/app",
        "TEST_DATABASE_URL": f"postgresql://postgres:{password}@127.0.0.1:{test_port}/test",
        "FIRST_SUPERUSER_PASSWORD": secrets.token_urlsafe(18),
    }


def fill_in(example: str, values: dict[str, str]) -> str:
    """Replace the values of the named settings; comments and all other lines stay."""
    lines = []
    for line in example.splitlines():
        name = line.partition("=")[0]
        lines.append(f"{name}={values[name]}" if name in values else line)
    return "\n".join(lines) + "\n"


def write_new(path: Path, text: str) -> bool:
    """Write the file, readable by its owner only, whole or not at all; False if there is one already."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".env.")  # created with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.link(temporary, path)  # unlike a rename, never replaces a file
    except FileExistsError:
        return False
    finally:
        os.unlink(temporary)
    return True


def main() -> None:
    path = PROJECT / ".env"
    if path.exists():
        return
    try:
        example = (PROJECT / ".env.example").read_text(encoding="utf-8")
        if write_new(path, fill_in(example, new_values())):
            print("Wrote .env with new secrets.")
    except OSError as error:
        sys.exit(f".env can't be written from .env.example: {error}.")


if __name__ == "__main__":
    main()
