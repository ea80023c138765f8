"""What each layer of a request costs, beside the floor: `make bench ARGS=layers.py`.

Counted in instructions where Valgrind is installed, which other programs don't disturb; otherwise in CPU time, a layer
after the other in many rounds. Neither includes the kernel and PostgreSQL.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from servers import HERE, Postgres, Project

TIMES, ROUNDS = 50, 20
# Each layer, and the step of count_layers.py that it is, less another one.
OF_A_REQUEST = {
    "Uvicorn: parser and protocol": ("server", "nothing"),
    "FastAPI: routing, request, response": ("response", "nothing"),
    "FastAPI: one dependency": ("dependency", "response"),
    "token, seen before": ("token", ""),
    "token, one of 10,000 in turn": ("new token", ""),
    "caller's query and token": ("caller", ""),
    "response of one model": ("model", "response"),
    "response of 50 models": ("models", "response"),
    "body, read and validated": ("body", "response"),
    "list: its statement, built and run": ("rows", ""),
    "create: its statement, built and run": ("insert", ""),
}


def counted(project: Project, folder: Path) -> tuple[dict[str, float], str]:
    """The cost of each step, and its unit."""
    with_valgrind = shutil.which("valgrind") is not None
    command = [project.python, str(HERE / "count_layers.py")]
    if with_valgrind:
        options = ["--instr-atstart=no", "--dump-before=getppid", f"--callgrind-out-file={folder}/counted"]
        command = ["valgrind", "--quiet", "--tool=callgrind", *options, *command]
    done = subprocess.run(
        command,
        input=json.dumps({"times": TIMES, "rounds": 1 if with_valgrind else ROUNDS, "with_valgrind": with_valgrind}),
        stdout=subprocess.PIPE,
        text=True,
        cwd=project.folder,
        env=os.environ | project.environment | {"PYTHONPATH": f"{project.folder}:{HERE}", "PYTHONHASHSEED": "0"},
        check=True,
    )
    taken: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if not with_valgrind:
        return taken, "µs of CPU"
    # A dump before each mark: what precedes the first, the first step, what is between, the second step, ...
    dumps = [Path(f"{folder}/counted.{number}").read_text() for number in range(2, 2 * len(taken) + 1, 2)]
    totals = [int(re.findall(r"^(?:totals|summary): (\d+)", dump, re.MULTILINE)[0]) for dump in dumps]
    return {name: total / TIMES / 1000 for name, total in zip(taken, totals, strict=True)}, "thousands of instructions"


def show(costs: dict[str, float], unit: str) -> None:
    print(f"\n| request | {unit} | floor | the floor's share |\n|---|---:|---:|---:|")
    for route in ("me", "list", "create"):
        ours, floor = costs[route], costs[f"floor: {route}"]
        print(f"| {route} | {ours:.0f} | {floor:.0f} | {floor / ours:.2f} |")
    layers = {name: (name, "nothing") for name in costs if name.startswith("middleware: ")}
    print(f"\n| layer | {unit} | of `GET /users/me` |\n|---|---:|---:|")
    for layer, (step, less) in (layers | OF_A_REQUEST).items():
        cost = costs[step] - costs.get(less, 0)
        print(f"| {layer} | {cost:.0f} | {cost / costs['me']:.1%} |")


def main() -> None:
    with Path(sys.argv[1]).open("rb") as file:
        configuration = tomllib.load(file)
    folder = Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)  # as root, PostgreSQL runs as another user
        with Postgres(folder, Path(place) / "postgres") as postgres:
            project = Project(folder=folder, **configuration["projects"][0]).prepared(postgres)
            project.environment |= {"WITHOUT_RESET": "1", "ENVIRONMENT": "production"}
            show(*counted(project, Path(place)))


if __name__ == "__main__":
    main()
