"""Which part of the application may import which: each import goes down one of these layers, or stays in its own."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.config import PROJECT_DIR

# From top to bottom. `server` stands beside `auth`: neither imports the other.
LAYERS = [
    {"openapi", "initial_data"},
    {"main"},
    {"features"},
    {"api"},
    {"auth", "server"},
    {"schemas"},
    {"core"},
    {"models"},
]
MODULES = sorted(path for path in (PROJECT_DIR / "app").rglob("*.py") if "tests" not in path.parts)


def room_of(module: str) -> tuple[int, str]:
    """The layer of a module, counted from the top, and its part: of features, each one."""
    _, part, *rest = module.split(".")
    (layer,) = [number for number, parts in enumerate(LAYERS) if part in parts]
    return layer, f"features.{rest[0]}" if part == "features" and rest else part


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("app."):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("app."))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PROJECT_DIR)))
def test_imports_go_down(path: Path) -> None:
    module = ".".join(path.relative_to(PROJECT_DIR).with_suffix("").parts).removesuffix(".__init__")
    if module in {"app", "app.features"}:  # the register of features imports each of them
        return
    layer, part = room_of(module)
    for imported in imports_of(path):
        other_layer, other_part = room_of(imported)
        assert other_layer > layer or other_part == part, f"{module} must not import {imported}"


def test_no_two_modules_import_each_other() -> None:
    names = {".".join(path.relative_to(PROJECT_DIR).with_suffix("").parts): path for path in MODULES}
    imports = {name: set(imports_of(path)) & names.keys() for name, path in names.items()}
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> None:
        assert name not in way, " → ".join([*way, name])
        if name not in done:
            for imported in sorted(imports[name]):
                visit(imported, [*way, name])
            done.add(name)

    for name in imports:
        visit(name, [])
