"""Keeps what was chosen, makes the secrets, and starts a Git repository. Safe to repeat, as cruft does.

What belongs to a feature has the feature's name in its path, between two marks (`<!-- mail -->`, `<!-- /mail -->` in
Markdown, `# mail`, `# /mail` elsewhere), or at the end of its line in a registry. So this needs no list of files.
"""

import contextlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

CHOSEN_LICENSE = Path("variants/license", {{cookiecutter.license | tojson}})
CHOSEN_SERVER = Path("variants/web_server", {{cookiecutter.web_server | tojson}})
NEW = Path(".new")  # where the folder was empty before; hooks/pre_gen_project.py leaves it
FEATURES = {
    "mail": {{cookiecutter.mail}},
    "second_factor": {{cookiecutter.second_factor}},
    "passkeys": {{cookiecutter.passkeys}},
    "account_pages": {{cookiecutter.account_pages}},
    "sign_in": {{cookiecutter.sign_in}},
    "api_keys": {{cookiecutter.api_keys}},
    "superuser_factor": {{cookiecutter.second_factor or cookiecutter.passkeys}},  # cruft would keep a derived answer
    "account_tokens": {{cookiecutter.mail or cookiecutter.second_factor}},
}
UNCHOSEN = "|".join(name for name, chosen in FEATURES.items() if not chosen) or "(?!)"
LEFTOVERS = (".env", ".venv", ".postgres", ".mail", "openapi.json", ".*_cache", ".coverage*", "**/__pycache__")


def keep_chosen_files() -> None:
    CHOSEN_LICENSE.replace("LICENSE")
    for file in CHOSEN_SERVER.iterdir():
        file.replace(file.name)
    shutil.rmtree("variants")


def drop_leftovers() -> None:
    """Remove what cookiecutter copied along if the project has been run inside the template: secrets, caches."""
    if NEW.exists():  # else they may be those of a project that is rendered once more
        for leftover in [path for pattern in LEFTOVERS for path in Path().glob(pattern)]:
            shutil.rmtree(leftover, ignore_errors=True) if leftover.is_dir() else leftover.unlink(missing_ok=True)
        NEW.unlink()


def drop_unchosen_features() -> None:
    tops = [top for top in Path().iterdir() if top.name not in (".git", *LEFTOVERS)]
    for path in sorted(path for top in tops for path in (top, *top.rglob("*"))):
        if any(re.search(rf"(^|_)({UNCHOSEN})$", name) for name in (*path.parts, path.stem)):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        elif path.is_file() and path.suffix != ".py":
            rewrite(path, without_regions)
    for registry in (*Path("app/features").glob("__init__.py"), *Path("alembic/versions").glob("*_join*.py")):
        rewrite(registry, without_lines)
    for lock in Path().glob("requirements*.txt"):
        rewrite(lock, without_packages)


def rewrite(path: Path, change: Callable[[str], str]) -> None:
    with contextlib.suppress(UnicodeDecodeError):
        path.write_bytes(change(path.read_bytes().decode()).encode())  # bytes: newlines stay what they are


def without_regions(text: str) -> str:
    """Drop all marks, what lies between those of unchosen features, and one of two empty lines that then meet."""
    kept, inside, at_seam = [""], [], False
    for line in text.splitlines(keepends=True):
        if mark := re.fullmatch(rf"(?:<!--|#) (/?)({'|'.join(FEATURES)})(?: -->)?", line.strip()):
            inside = inside[:-1] if mark[1] else [*inside, mark[2]]
            at_seam = True
        elif all(FEATURES[name] for name in inside) and (line.strip() or kept[-1].strip() or not at_seam):
            kept.append(line)
            at_seam = False
    if at_seam and not kept[-1].strip():
        kept.pop()
    return "".join(kept)


def without_lines(registry: str) -> str:
    """Drop the lines that end in the name of an unchosen feature, whatever punctuation follows it.

    A line that needs two features ends in a comment of both names.
    """
    return re.sub(rf"(?m)^.*(\b({UNCHOSEN})[^\w\n]*|# (\w+, )*({UNCHOSEN})(, \w+)*)\n", "", registry)


def without_packages(lock: str) -> str:
    """Keep what pyproject.toml names and all that it needs, which the lock itself says after `# via`."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    named = {"(pyproject.toml)": project["project"]["dependencies"]}
    named["(pyproject.toml:dev)"] = project["dependency-groups"]["dev"]
    roots = {
        by: {re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", package)[0]).lower() for package in packages}
        for by, packages in named.items()
    }
    entries = {entry.partition("=")[0]: entry for entry in re.split(r"(?m)^(?=\w)", lock)}
    needed_by = {name: re.findall(r"(?m)^    #(?: via|  ) (\S+)", entry) for name, entry in entries.items()}
    kept, found = {""}, {name for name in entries if any(name in roots.get(by, ()) for by in needed_by[name])}
    while found:
        kept |= found
        found = {name for name, others in needed_by.items() if kept.intersection(others)} - kept
    for name in kept - {""}:
        by = [other for other in needed_by[name] if other in kept or name in roots.get(other, ())]
        comment = f"    # via {by[0]}" if len(by) == 1 else "\n    #   ".join(["    # via", *by])
        entries[name] = re.sub(r"    # via(.|\n)*", comment + "\n", entries[name])
    return "".join(entry for name, entry in entries.items() if name in kept)


def start_repository() -> None:
    """Leave the first commit to the user. A project inside another repository belongs to that one."""
    git = shutil.which("git")
    if git is None:
        return
    inside = subprocess.run([git, "rev-parse", "--is-inside-work-tree"], capture_output=True, check=False)
    if inside.returncode != 0:
        subprocess.run([git, "-c", "init.defaultBranch=main", "init", "--quiet"], capture_output=True, check=False)


keep_chosen_files()
drop_leftovers()
drop_unchosen_features()
for script in Path().glob("*.sh"):
    script.chmod(0o755)  # a template from a zip archive has lost its file modes
subprocess.run([sys.executable, "scripts/make_env.py"], check=True, stdout=subprocess.DEVNULL)
start_repository()
folder = Path.cwd()
# `cruft update`, `diff` and `link` render into folders of tempfile's, which they delete, to compare or to move.
is_passing = folder.parent.name.startswith("tmp") and folder.parent.parent == Path(tempfile.gettempdir()).resolve()
if not is_passing:
    print(f"\nYour project is ready. Next:\n\n    cd {shlex.quote(str(folder))}\n    make dev\n")
