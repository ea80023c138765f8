"""Where the login page of account pages leads: whatever a link to it says, to no stranger's page."""

import json
import shutil
from pathlib import Path

import pytest
from scaffolding import ROOT, run

ORIGINS = ["https://app.example.com", "http://localhost:5173", "capacitor://localhost"]
SAFE = [
    "/",
    "/account",
    "/orders/12?page=2#end",
    "/orders/",
    "/a.b/..c/d..",
    "/search?q=https://evil.example//x",
    "/%C3%A4rger",
    "https://app.example.com",
    "https://app.example.com/",
    "https://app.example.com/orders?x#y",
    "http://localhost:5173/account",
]
HOSTILE = [
    "",
    "account",
    "?x",
    "#x",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "\t//evil.example",
    "/\n/evil.example",
    "/\r\nLocation: https://evil.example",
    " //evil.example",
    "/ /evil.example",
    "/\x00/evil.example",
    "/\u2028/evil.example",
    "/\uff0f/evil.example",
    "/./evil.example",
    "/.//evil.example",
    "/..//evil.example",
    "/../evil.example",
    "/x/..",
    "/%2e%2E//evil.example",
    "/x/%2e",
    "/.%2e/x",
    "/%2f/evil.example",
    "/%2F%2Fevil.example",
    "/%5Cevil.example",
    "/%09/evil.example",
    "/%0d%0aLocation:x",
    "/x//y",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,x",
    "blob:https://app.example.com/x",
    "https:evil.example",
    "https:/evil.example",
    "https://evil.example",
    "https://app.example.com.evil.example",
    "https://app.example.com@evil.example",
    "https://ana:x@app.example.com/",
    "https://app.example.com:443/",
    "https://app.example.com:8443/",
    "https://app.example.com\\.evil.example",
    "https://app.example.com//evil.example",
    "https://app.example.com/../x",
    "https://APP.example.com/",
    "HTTPS://app.example.com/",
    "http://app.example.com/",
    "https://app.example.comevil",
    "https://xn--pp-yka.example.com/",
    "https://app.example.com?x",
    "capacitor://localhost/",
    "/" + "x" * 2000,
]


def test_a_login_leads_to_our_own_paths_and_to_listed_origins_only(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("Node.js is not here")
    pages = ROOT / "{{cookiecutter.project_name}}/app/features/account_pages/pages"
    shutil.copy(pages / "return_to.js", tmp_path / "return_to.mjs")
    (tmp_path / "shapes.json").write_text(json.dumps([ORIGINS, SAFE + HOSTILE]))
    (tmp_path / "run.mjs").write_text(
        'import { readFileSync } from "node:fs"; import { isSafe } from "./return_to.mjs";'
        'const [origins, shapes] = JSON.parse(readFileSync("shapes.json"));'
        "console.log(JSON.stringify(shapes.filter((shape) => isSafe(shape, origins))));"
    )
    result = run("node", "run.mjs", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == SAFE
