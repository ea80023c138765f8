"""OAuth clients and verifiers of others get along with a served project."""

import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

import pytest
from documentation import blocks
from foreign import link_node_packages, python_with
from rendering import ENVIRONMENT
from scaffolding import PATIENCE, ROOT, run
from serving import Api, answers, free_port, served

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("api")]  # it installs clients of others, and shares a server
CLIENTS = ROOT / "tests/clients"
PYTHON = ("authlib==1.*", "requests-oauthlib==2.*", "pyjwt[crypto]==2.*")
NODE = ("oauth4webapi@3", "jose@6")


def test_authlib_and_requests_oauthlib_log_in_refresh_and_revoke_and_pyjwt_verifies(api: Api) -> None:
    result = run(python_with(*PYTHON), CLIENTS / "python_clients.py", api.url, api.email, api.password)

    assert result.returncode == 0, result.stderr


def test_oauth4webapi_logs_in_refreshes_and_revokes_and_jose_verifies(api: Api, tmp_path: Path) -> None:
    link_node_packages(tmp_path, *NODE)
    script = shutil.copy(CLIENTS / "node_clients.mjs", tmp_path)

    result = run("node", script, api.url, api.email, api.password, cwd=tmp_path)

    assert result.returncode == 0, result.stderr


def test_authlib_and_requests_oauthlib_exchange_an_api_key(api: Api) -> None:
    result = run(python_with(*PYTHON), CLIENTS / "programs.py", api.url, *api_key(api))

    assert result.returncode == 0, result.stderr


def test_oauth4webapi_and_openid_client_exchange_an_api_key(api: Api, tmp_path: Path) -> None:
    link_node_packages(tmp_path, *NODE, "openid-client@6")
    script = shutil.copy(CLIENTS / "programs.mjs", tmp_path)

    result = run("node", script, api.url, *api_key(api), cwd=tmp_path)

    assert result.returncode == 0, result.stderr


def test_the_documented_service_verifies_our_tokens_and_no_others(api: Api, tmp_path: Path) -> None:
    service_code, check = (
        block.text
        for block in blocks(api.project / "docs/other-services.md", "A FastAPI service that verifies")
        if block.language == "python"
    )
    last_line = '    return decoded["payload"]\n'
    code = service_code.replace(last_line, check.replace("reports:read", "account") + "\n" + last_line)
    assert code != service_code
    (tmp_path / "service.py").write_text(code.replace("https://api.example.com", api.url))
    python, port = python_with("fastapi", "uvicorn", "pyjwt[crypto]==2.*"), free_port()
    service = subprocess.Popen(
        [python, "-m", "uvicorn", "service:app", "--port", str(port), "--log-level", "warning"],
        cwd=tmp_path,
        env=ENVIRONMENT,
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(f"http://127.0.0.1:{port}/openapi.json"):
            assert service.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        token = log_in(api)["access_token"]
        header, claims, signature = token.split(".")
        status, text = whoami(port, token)
        assert status == 200
        assert re.fullmatch(r'"[0-9a-f-]{36}"', text)
        for wrong in (f"{header}.{claims}.{signature[:-8]}AAAAAAAA", f"{header}.{claims}.", "nonsense", "a.b.c"):
            assert whoami(port, wrong)[0] == 401
        assert [whoami(port, exchange(api, scopes))[0] for scopes in (["account"], [])] == [200, 403]
    finally:
        service.terminate()
        service.wait()


def test_a_key_that_was_announced_verifies_at_once_and_another_does_not(api: Api) -> None:
    """PyJWT asks for a key it doesn't know 30 seconds after it last asked."""
    former, following, sudden = (run("make", "--silent", "jwt-key", cwd=api.project).stdout.strip() for _ in range(3))
    port = free_port()
    url = f"http://localhost:{port}"
    verifier = subprocess.Popen(
        [python_with(*PYTHON), CLIENTS / "rotation.py", url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    assert verifier.stdin
    assert verifier.stdout
    verdicts = []
    try:
        for key, fallbacks in ((former, following), (following, former), (sudden, following)):
            settings = {"JWT_PRIVATE_KEY": key, "JWT_PRIVATE_KEY_FALLBACKS": fallbacks, "PUBLIC_URL": url}
            with served(api.project, port, settings) as rotated:
                print(log_in(rotated)["access_token"], file=verifier.stdin, flush=True)
                verdicts.append(verifier.stdout.readline().strip())
    finally:
        verifier.terminate()
        verifier.communicate()
    assert verdicts == ["good", "good", "PyJWKClientError"]


def log_in(api: Api) -> dict[str, str]:
    return tokens(api, username=api.email, password=api.password)


def exchange(api: Api, scopes: Sequence[str]) -> str:
    """The token of a new key with these scopes."""
    key_id, key = api_key(api, scopes)
    return tokens(api, grant_type="client_credentials", client_id=key_id, client_secret=key)["access_token"]


def tokens(api: Api, **form: str) -> dict[str, str]:
    with urllib.request.urlopen(f"{api.url}/auth/access-token", urlencode(form).encode(), timeout=PATIENCE) as response:
        issued: dict[str, str] = json.load(response)
    return issued


def api_key(api: Api, scopes: Sequence[str] = ("account",)) -> tuple[str, str]:
    """The id of a new key, and the key."""
    bearer = {"Authorization": f"Bearer {log_in(api)['access_token']}", "Content-Type": "application/json"}
    body = json.dumps({"name": "CI", "scopes": scopes}).encode()
    request = urllib.request.Request(f"{api.url}/auth/api-keys", body, bearer)
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        made = json.load(response)
    return made["id"], made["key"]


def whoami(port: int, token: str) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{port}/whoami", headers=headers)
        ) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, ""
