"""The locks install with the pip that comes with Python, and still do once newer releases are out."""

import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from rendering import ENVIRONMENT
from scaffolding import ROOT, files, run, scaffold

pytestmark = pytest.mark.xdist_group("installation")  # they share an index
PROJECT = "{{cookiecutter.project_name}}"
PROJECT_LOCK = f"{PROJECT}/requirements-dev.txt"
LOCKS = ("requirements-dev.txt", f"{PROJECT}/requirements.txt", PROJECT_LOCK)
# Those of Debian, Ubuntu and CPython 3.11 and 3.12, each with the newest Python that it runs on.
PIPS = {"22.3.1": (3, 11), "23.0.1": (3, 11), "23.2.1": (3, 12), "24.0": (3, 12), "newest": (9, 9)}
OLD = "23.2.1"  # the last pip that looks for a newer `coverage[toml]` than the pinned `coverage`
PIN = re.compile(r"^([a-z0-9-]+)(\[[a-z0-9,-]+\])?==([^\s;]+)( ;.*)? \\$", re.MULTILINE)
QUICK = ("newest", PROJECT_LOCK)
EACH_PIP_AND_LOCK = [
    pytest.param(pip, lock, marks=() if (pip, lock) == QUICK else pytest.mark.slow) for pip in PIPS for lock in LOCKS
]
# These affect what is printed or cached, but not what is installed.
COSMETIC = {"--quiet", "--disable-pip-version-check", "--no-cache-dir"}


def places(template: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Each place that installs a lock: its file, the lock, and the options that it passes to pip."""
    for path in files(template):
        name = path.relative_to(template).as_posix()
        for line in path.read_text(errors="replace").splitlines():
            if name.startswith("tests/") or not re.search(r"--requirement\b|\bpip install .*-r\b", line):
                continue
            words = [word.strip(",") for word in shlex.split(line.strip().removesuffix("\\"))]
            options = [word for word in words if word.startswith("--") and word != "--requirement"]
            lock = "requirements.txt" if "requirements.txt" in line else "requirements-dev.txt"
            yield name, lock if name == "Makefile" else f"{PROJECT}/{lock}", options


def ways(template: Path, lock: str) -> list[list[str]]:
    """The sets of options with which this lock is installed, each once."""
    return [list(way) for way in {tuple(sorted({*o} - COSMETIC)) for _, which, o in places(template) if which == lock}]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(*folders: Path) -> dict[str, Distribution]:
    return {normal(found.name): found for found in distributions(path=[str(folder) for folder in folders])}


class Tomorrow:
    """The locks after a new release of everything: the index has a newer version of each package than the pinned one.

    The pinned packages are stand-ins: empty, but with the requirements of the real ones.
    """

    def __init__(self, folder: Path, environment: Path) -> None:
        self.index, self.locks = folder / "simple", folder / "locks"
        self.pins: dict[str, set[str]] = {}
        self.add("pip", "9999")
        theirs = installed(*environment.glob("lib/python*/site-packages"))
        for lock in LOCKS:
            self.copy(lock, theirs if lock.startswith(PROJECT) else installed(*map(Path, sys.path)))

    def add(self, name: str, version: str, original: Distribution | None = None) -> str:
        """Add a wheel to the index, and return its hash."""
        folder = self.index / name
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{name.replace('-', '_')}-{version}"
        wheel = folder / f"{stem}-py3-none-any.whl"
        if not wheel.exists():  # another lock may have added it
            headers = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
            for field in ("Provides-Extra", "Requires-Dist") if original else ():
                headers += [f"{field}: {value}" for value in original.metadata.get_all(field) or []]  # type: ignore[union-attr]
            tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            with zipfile.ZipFile(wheel, "w") as archive:
                for file, text in {"METADATA": "\n".join(headers), "WHEEL": tags, "RECORD": ""}.items():
                    archive.writestr(f"{stem}.dist-info/{file}", text)
            links = "".join(f'<a href="{other.name}">{other.name}</a>\n' for other in folder.glob("*.whl"))
            (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>\n{links}</body></html>\n")
        return hashlib.sha256(wheel.read_bytes()).hexdigest()

    def copy(self, lock: str, originals: dict[str, Distribution]) -> None:
        """Copy a lock: the same names, extras, versions and markers, but the hashes of the stand-ins."""
        pins = PIN.findall((ROOT / lock).read_text())
        present = {name: version for name, _, version, _ in pins if name in originals}  # markers exclude the others
        digests = {name: self.add(name, version, originals[name]) for name, version in present.items()}
        for name, version in present.items():
            self.add(name, f"{version.partition('.post')[0]}.post99", originals[name])
        self.pins[lock] = {f"{name}=={version}" for name, version in present.items()}
        lines = [
            f"{name}{extras}=={version}{marker} --hash=sha256:{digests.get(name, '0' * 64)}\n"
            for name, extras, version, marker in pins
        ]
        (self.locks / lock).parent.mkdir(parents=True, exist_ok=True)
        (self.locks / lock).write_text("".join(lines))


@pytest.fixture(scope="module")
def tomorrow(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Tomorrow:
    return Tomorrow(tmp_path_factory.mktemp("an index"), environment)


@pytest.fixture(scope="module")
def pip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This pip, unpacked. The wheels of old ones are kept in `.cache` for the next run."""
    version: str = request.param
    if sys.version_info[:2] > PIPS[version]:
        pytest.skip(f"pip {version} doesn't run on this Python, which never came with it")
    folder = tmp_path_factory.mktemp("pip")
    cache = folder if version == "newest" else ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    with (cache / "pip.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pattern = "pip-*.whl" if version == "newest" else f"pip-{version}-py3-none-any.whl"
        if not list(cache.glob(pattern)):
            wanted = "pip" if version == "newest" else f"pip=={version}"
            result = run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", cache, wanted)
            assert result.returncode == 0, result.stderr
    with zipfile.ZipFile(next(cache.glob(pattern))) as wheel:
        wheel.extractall(folder)
    return folder / "pip"


def plan(pip: Path, tomorrow: Tomorrow, lock: Path, options: list[str], folder: Path) -> set[str] | str:
    """What pip would install if nothing were installed yet, or why it refuses."""
    report = folder / "report.json"
    alone = ("--isolated", "--index-url", tomorrow.index.as_uri(), "--no-cache-dir", "--ignore-installed")
    dry_run = ("--dry-run", *alone, "--report", str(report), *options, "--requirement", str(lock))
    result = run(sys.executable, "-I", pip, "install", *dry_run, environment={"PIP_CONFIG_FILE": os.devnull})
    if result.returncode != 0:
        return result.stdout + result.stderr
    found = [item["metadata"] for item in json.loads(report.read_text())["install"]]
    return {f"{normal(item['name'])}=={item['version']}" for item in found}


def test_every_place_installs_exactly_what_the_lock_names(template: Path) -> None:
    of_the_project = [".github/workflows/ci.yml", "Makefile", "docs/development.md"]
    images = [f"variants/web_server/{name}/Dockerfile" for name in ("nginx-unit", "uvicorn")]
    expected = ["Makefile", "scripts/bench.py", *(f"{PROJECT}/{name}" for name in (*of_the_project, *images))]

    assert list(dict.fromkeys(name for name, _, _ in places(template))) == expected
    assert not [name for name, _, options in places(template) if not {"--no-deps", "--require-hashes"} <= {*options}]


@pytest.mark.parametrize(("pip", "lock"), EACH_PIP_AND_LOCK, indirect=["pip"])
def test_lock_installs_after_newer_releases(
    pip: Path, lock: str, template: Path, tomorrow: Tomorrow, tmp_path: Path
) -> None:
    for options in ways(template, lock):
        assert plan(pip, tomorrow, tomorrow.locks / lock, options, tmp_path) == tomorrow.pins[lock], options


@pytest.mark.slow
@pytest.mark.parametrize(("pip", "lock"), [(OLD, LOCKS[1]), *(("newest", lock) for lock in LOCKS)], indirect=["pip"])
def test_lock_is_complete_without_our_options(pip: Path, lock: str, tomorrow: Tomorrow, tmp_path: Path) -> None:
    """A platform installs requirements.txt in its own way, perhaps with an old pip, which doesn't accept
    `sqlalchemy[asyncio]==` as a pin of `sqlalchemy`: so the locks name no extras (no `--no-strip-extras`)."""
    assert plan(pip, tomorrow, tomorrow.locks / lock, ["--require-hashes"], tmp_path) == tomorrow.pins[lock]


@pytest.mark.slow
@pytest.mark.parametrize("pip", [OLD], indirect=True)
def test_old_pip_fails_without_our_options(pip: Path, tomorrow: Tomorrow, tmp_path: Path) -> None:
    """Without this, nobody would know whether the tests above can fail."""
    output = str(plan(pip, tomorrow, tomorrow.locks / PROJECT_LOCK, ["--require-hashes"], tmp_path))

    assert "In --require-hashes mode, all requirements must have their versions pinned" in output
    assert "coverage[toml]" in output


def test_installed_packages_are_compatible(environment: Path) -> None:
    for python in (environment / "bin/python", Path(sys.executable)):
        result = run(python, "-m", "pip", "check")
        assert result.returncode == 0, result.stdout


# What the installation prints


@pytest.fixture(params=["project", pytest.param("template", marks=pytest.mark.slow)])
def newcomer(request: pytest.FixtureRequest, template: Path, tomorrow: Tomorrow, tmp_path: Path) -> Path:
    """A folder whose `make .venv/.installed` would install stand-ins."""
    if request.param == "project":
        folder, lock = scaffold(template, tmp_path / "my projects"), PROJECT_LOCK
    else:
        folder, lock = tmp_path, "requirements-dev.txt"
        shutil.copy(template / "Makefile", folder)
    shutil.copy(tomorrow.locks / lock, folder / "requirements-dev.txt")
    return folder


def install(folder: Path, tomorrow: Tomorrow, uv: str = "ls", pips: str = "") -> tuple[int, list[str]]:
    """The exit status of an installation and the lines it prints; pip and uv have no settings but the index.

    `ls` stands in for a uv that doesn't work: it complains of its arguments, and ends with an error.
    """
    ours = [f"--unset={name}" for name in ENVIRONMENT if name.startswith(("PIP_", "UV_"))]
    index = tomorrow.index.as_uri()
    settings = (f"PIP_CONFIG_FILE={os.devnull}", f"PIP_INDEX_URL={pips or index}", "PIP_NO_CACHE_DIR=1", f"UV={uv}")
    for_uv = ("UV_NO_CONFIG=1", f"UV_DEFAULT_INDEX={index}", "UV_NO_CACHE=1")
    result = run("env", *ours, *settings, *for_uv, "make", ".venv/.installed", cwd=folder)
    return result.returncode, (result.stdout + result.stderr).splitlines()


def test_installation_prints_only_how_long_it_takes(newcomer: Path, tomorrow: Tomorrow) -> None:
    status, output = install(newcomer, tomorrow)

    assert status == 0, output
    assert any("which takes a minute the first time" in line for line in output)
    assert len(output) <= 2, output  # pip's notice of its newer release, which the index has, would be one more


UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{ENVIRONMENT['PATH']}")


@pytest.mark.skipif(UV is None, reason="uv is not on PATH")
def test_uv_installs_the_pins_by_their_hashes(newcomer: Path, tomorrow: Tomorrow) -> None:
    lock, nowhere = newcomer / "requirements-dev.txt", "http://127.0.0.1:1/simple"
    status, output = install(newcomer, tomorrow, str(UV), pips=nowhere)

    assert status == 0, output
    assert len(output) <= 2, output
    pins = {line.partition(" ")[0] for line in lock.read_text().splitlines() if "0" * 64 not in line}
    found = installed(*newcomer.glob(".venv/lib/python*/site-packages"))
    assert {f"{name}=={package.version}" for name, package in found.items()} >= pins

    lock.write_text(re.sub("sha256:.{64}", f"sha256:{'1' * 64}", lock.read_text()))
    assert install(newcomer, tomorrow, str(UV), pips=nowhere)[0] != 0


def test_installation_replaces_a_link_and_leaves_alone_what_it_leads_to(newcomer: Path, tomorrow: Tomorrow) -> None:
    other = newcomer / "other environment"
    other.mkdir()
    (other / "python").write_text("of another worktree")
    (newcomer / ".venv").symlink_to(other)

    status, output = install(newcomer, tomorrow)

    assert status == 0, output
    assert (other / "python").read_text() == "of another worktree"
    assert [path.name for path in other.iterdir()] == ["python"]
    assert not (newcomer / ".venv").is_symlink()


def test_failed_installation_shows_the_error_of_pip(newcomer: Path, tomorrow: Tomorrow) -> None:
    lock = newcomer / "requirements-dev.txt"
    lock.write_text(re.sub("sha256:.{64}", f"sha256:{'0' * 64}", lock.read_text()))

    status, output = install(newcomer, tomorrow)

    assert status != 0
    assert "THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE" in "\n".join(output)
    assert any("could not be installed, for the reason above. Once it is fixed, try again." in line for line in output)
    assert not (newcomer / ".venv/.installed").exists()
