"""What the tests share: a copy of the template, rendered projects, their environment, one that serves; and progress."""

import fcntl
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from environments import whole_environment
from rendering import copy_template
from scaffolding import COMBINATIONS, FEATURE_SETS, run, scaffold
from serving import Api, free_port, initialised_project, served

# These take longest, so they begin first: otherwise one core would wait for the other at the end.
LONGEST = ("test_generated_project", "test_first_minutes", "test_documentation", "test_installation", "test_demo")
EVERYTHING = COMBINATIONS | {name: FEATURE_SETS[name] for name in ("all", "none")}
# The others are for `make test-all`.
QUICK = {"all", "none"}
SETS = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in FEATURE_SETS]

Rendered = Callable[[dict[str, str]], Path]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> tuple[bool, int]:
        name = item.path.stem
        return (not item.get_closest_marker("slow"), LONGEST.index(name) if name in LONGEST else len(LONGEST))

    items.sort(key=rank)


@pytest.hookimpl(trylast=True)  # after the reporter has been registered
def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the process that the others report to
        config.pluginmanager.register(Progress(config))


class Progress:
    """A line that says how many tests are done and which ones run: always the same line of a terminal, else a new one.

    Names of tests that passed are not printed: pytest's own reporter prints failures and the summary.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.terminal: pytest.TerminalReporter = config.pluginmanager.getplugin("terminalreporter")
        self.is_live = sys.stdout.isatty()
        self.running: dict[str, None] = {}
        self.done = 0
        self.begun = time.monotonic()
        self.is_over = threading.Event()

    def pytest_sessionstart(self) -> None:
        threading.Thread(target=self.say_it_again_and_again, daemon=True).start()

    def pytest_sessionfinish(self) -> None:
        self.is_over.set()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.running[nodeid] = None

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.running.pop(nodeid)
        self.done += 1

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        is_a_dot = report.passed and report.when == "call" and not self.terminal.verbosity
        return ("passed", "", "") if is_a_dot else None

    def say_it_again_and_again(self) -> None:
        while not self.is_over.wait(1 if self.is_live else 15):
            minutes, seconds = divmod(int(time.monotonic() - self.begun), 60)
            names = ", ".join(nodeid.removeprefix("tests/") for nodeid in [*self.running]) or "nothing yet"
            line = f"{minutes}:{seconds:02}  {self.done} tests done, running {names}"
            if self.is_live:
                self.terminal.rewrite(line[: shutil.get_terminal_size().columns - 1], erase=True)
            else:
                self.terminal.ensure_newline()
                self.terminal.write_line(line)
                self.terminal.flush()  # else a file or a pipe gets it long afterwards


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a clone would hold it, with the changes that are not committed yet."""
    return copy_template(tmp_path_factory.mktemp("the template"))


@pytest.fixture(scope="session", params=EVERYTHING)
def combination(request: pytest.FixtureRequest) -> dict[str, str]:
    """The answers of one supported combination, without those left at their defaults."""
    return EVERYTHING[request.param]


@pytest.fixture(scope="session")
def project(rendered: Rendered, combination: dict[str, str]) -> Path:
    """A project of a supported combination that the tests only read."""
    return rendered(combination)


@pytest.fixture(scope="session", params=SETS)
def answers(request: pytest.FixtureRequest) -> dict[str, str]:
    """Which features are chosen."""
    return FEATURE_SETS[request.param]


@pytest.fixture(scope="session")
def featured(rendered: Rendered, answers: dict[str, str]) -> Path:
    """A project with these features that the tests only read."""
    return rendered(answers)


@pytest.fixture(scope="session")
def rendered(request: pytest.FixtureRequest, template: Path, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Gives the project with these answers, of which all workers read the same one."""
    folder = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        folder = folder.parent

    def render(answers: dict[str, str]) -> Path:
        name = "-".join(sorted(map("=".join, answers.items()))) or "defaults"
        with (folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / name).exists():
                scaffold(template, folder / f"{name}.new" / "out", answers)
                (folder / f"{name}.new").rename(folder / name)
        (project,) = (folder / name / "out").iterdir()
        return project

    return render


@pytest.fixture(scope="session")
def environment(template: Path) -> Path:
    """The virtual environment with all packages, of which the environments of rendered projects are made."""
    return whole_environment(template / "{{cookiecutter.project_name}}")


@pytest.fixture(scope="session")
def api(template: Path, environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A served project with all features, whose access tokens others can verify."""
    with initialised_project(template, environment, tmp_path_factory.mktemp("served")) as project:
        port = free_port()
        key = run("make", "--silent", "jwt-key", cwd=project).stdout.strip()
        with served(project, port, {"JWT_PRIVATE_KEY": key, "PUBLIC_URL": f"http://localhost:{port}"}) as api:
            yield api
