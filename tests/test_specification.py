"""Tools of others take `openapi.json` as it is: linters find nothing, and generated clients talk to the project."""

import os
import shutil
from pathlib import Path

import pytest
from foreign import link_node_packages, python_with
from scaffolding import ROOT, make, run
from serving import Api

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("api")]  # it installs tools of others, and shares a server
CLIENTS = ROOT / "tests/clients"
NODE = (
    "@stoplight/spectral-cli@6",
    "@redocly/cli@2",
    "openapi-typescript@7",
    "openapi-fetch@0.17",
    "typescript@5",
    "@types/node@20",
)


@pytest.fixture(scope="session")
def specification(api: Api) -> Path:
    make(api.project, "openapi")
    return api.project / "openapi.json"


@pytest.fixture
def node(specification: Path, tmp_path: Path) -> Path:
    """A folder with the specification and the tools."""
    link_node_packages(tmp_path, *NODE)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(specification, tmp_path)
    return tmp_path


def test_spectral_finds_nothing(node: Path) -> None:
    (node / ".spectral.yaml").write_text('extends: ["spectral:oas"]\n')

    result = run("node_modules/.bin/spectral", "lint", "openapi.json", "--fail-severity", "hint", cwd=node)

    assert result.returncode == 0, result.stdout + result.stderr


def test_redocly_finds_nothing(node: Path) -> None:
    """Routes that send a browser on have no response of 2xx."""
    ignored = "".join(
        f"    - '#/paths/~1auth~1providers~1{{provider_id}}~1{route}/responses'\n"
        for route in ("login/get", "callback/get", "callback/post")
    )
    (node / ".redocly.lint-ignore.yaml").write_text(f"openapi.json:\n  operation-2xx-response:\n{ignored}")

    result = run(
        *("node_modules/.bin/redocly", "lint", "openapi.json", "--extends", "recommended", "--format", "json"),
        cwd=node,
        environment={"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"},
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert '"warnings": 0' in result.stdout, result.stdout


def test_openapi_typescript_makes_a_client_that_compiles_and_talks(node: Path, api: Api) -> None:
    made = run("node_modules/.bin/openapi-typescript", "openapi.json", "--output", "api.d.ts", cwd=node)
    assert made.returncode == 0, made.stderr
    shutil.copy(CLIENTS / "generated.ts", node)

    options = ("--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler")
    compiled = run("node_modules/.bin/tsc", *options, "generated.ts", cwd=node)
    assert compiled.returncode == 0, compiled.stdout

    result = run("node", "generated.js", api.url, api.email, api.password, cwd=node)
    assert result.returncode == 0, result.stderr


def test_openapi_python_client_generates_without_a_warning_and_talks(
    api: Api, specification: Path, tmp_path: Path
) -> None:
    python = python_with("openapi-python-client", "ruff")
    folder = tmp_path / "generated_client"
    command = ("openapi-python-client", "generate", "--path", specification)

    made = run(
        *(python.with_name(command[0]), *command[1:], "--meta", "none", "--output-path", folder, "--fail-on-warning"),
        environment={"PATH": f"{python.parent}:{os.environ['PATH']}"},
    )
    assert made.returncode == 0, made.stdout + made.stderr

    result = run(
        *(python, "-W", "error", CLIENTS / "generated.py", api.url, api.email, api.password),
        environment={"PYTHONPATH": str(tmp_path)},
    )
    assert result.returncode == 0, result.stderr


def test_datamodel_code_generator_makes_models_that_can_be_imported(specification: Path, tmp_path: Path) -> None:
    python = python_with("datamodel-code-generator", "pydantic[email]")

    made = run(
        *(
            python.with_name("datamodel-codegen"),
            "--input",
            specification,
            "--input-file-type",
            "openapi",
        ),
        *("--output", tmp_path / "models.py", "--output-model-type", "pydantic_v2.BaseModel"),
    )
    assert made.returncode == 0, made.stderr

    result = run(python, "-W", "error", "-c", "from models import PetResponse, TokenResponse", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
