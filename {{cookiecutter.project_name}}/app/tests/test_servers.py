"""Uvicorn as the project's own commands start it."""

import asyncio
import os
import re
import shlex
import socket
import sys
import tomllib
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from httpx import ASGITransport, AsyncClient

from app.core.config import PROJECT_DIR
from app.models import User
from app.server.limits import MAX_HEADER_SIZE
from app.tests.helpers import PASSWORD, PATIENCE, bearer
from app.tests.other_settings import other_application

HOST = b" HTTP/1.1\r\nHost: api.example.com\r\n"
LIVE, LOGOUT = b"GET /health/live" + HOST, b"POST /auth/logout" + HOST
END = b"Connection: close\r\n\r\n"


def command_of_make_dev() -> list[str]:
    (arguments,) = re.findall(r"^\t\$\(RUN\) uvicorn (.*) --port", (PROJECT_DIR / "Makefile").read_text(), re.MULTILINE)
    return shlex.split(arguments.replace("--reload --reload-dir app", ""))


def command_of_the_image() -> list[str]:
    try:
        entrypoint = (PROJECT_DIR / "docker-entrypoint.sh").read_text().replace("\\\n", "")
    except FileNotFoundError:
        entrypoint = ""
    command = re.findall(r"^exec python -m uvicorn (.*) --port", entrypoint, re.MULTILINE)
    return shlex.split(command[0]) if command else pytest.skip("this project has no image that runs Uvicorn")


def command_of_fastapi_run() -> list[str]:
    """`fastapi run` and `fastapi dev` start Uvicorn with this application, and with none of our options."""
    with (PROJECT_DIR / "pyproject.toml").open("rb") as file:
        return [tomllib.load(file)["tool"]["fastapi"]["entrypoint"]]


@asynccontextmanager
async def serving(arguments: list[str], **variables: str) -> AsyncIterator[tuple[int, Process]]:
    """Start Uvicorn with these variables; yield its port and its process, and stop it afterwards."""
    command = (sys.executable, "-m", "uvicorn", *arguments, "--port", "0")  # any that is free
    env = os.environ | variables
    server = await asyncio.create_subprocess_exec(*command, cwd=PROJECT_DIR, env=env, stdout=DEVNULL, stderr=PIPE)
    try:
        yield await _port_of(server), server
    finally:
        if server.returncode is None:
            server.terminate()
            await server.wait()


async def _port_of(server: Process) -> int:
    """The port that the server names once it listens."""
    assert server.stderr is not None
    async with asyncio.timeout(PATIENCE):
        while not (found := re.search(rb"Uvicorn running on http://[\d.]+:(\d+)", await server.stderr.readline())):
            assert not server.stderr.at_eof(), "the server has ended"
    return int(found[1])


async def response_to(port: int, *pieces: bytes) -> bytes:
    """Send the pieces, and return all that comes back until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.fixture(scope="module")
async def prefixed_server() -> AsyncIterator[int]:
    """The port of `make dev` behind a proxy that strips a prefix; to start it takes longer than all that tests send."""
    variables = {"API_PREFIX": "/x", "PUBLIC_URL": "https://api.example.com", "DOCS": "true"}
    async with serving([*command_of_make_dev(), "--root-path", "/x"], **variables) as (port, _):
        yield port


async def test_make_dev_limits_headers_to_64_kib(prefixed_server: int) -> None:
    await assert_headers_are_limited(prefixed_server)


async def test_a_connection_goes_on_after_a_request_by_head(prefixed_server: int) -> None:
    head = LIVE.replace(b"GET", b"HEAD") + b"\r\n"
    unknown = head.replace(b"live", b"unknown")
    responses = await response_to(prefixed_server, head, unknown, head, LIVE + END)
    assert re.findall(rb"HTTP/1.1 (\d+) ", responses) == [b"200", b"404", b"200", b"200"]


async def test_the_image_limits_headers_to_64_kib() -> None:
    async with serving(command_of_the_image()) as (port, _):
        await assert_headers_are_limited(port)


async def test_fastapi_run_limits_headers_to_64_kib_and_waits_for_no_endless_response() -> None:
    async with serving(command_of_fastapi_run(), SHUTDOWN_TIMEOUT="1") as (port, server):
        await assert_headers_are_limited(port)
        await assert_ends_during_a_response(port, server)


async def assert_headers_are_limited(port: int) -> None:
    line = b"X: " + b"x" * (8 * 1024 - 5) + b"\r\n"
    long = b"x" * MAX_HEADER_SIZE
    chunked = LOGOUT + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    for lines in (0, 5):
        assert (await response_to(port, LIVE + line * lines + END)).startswith(b"HTTP/1.1 200 ")
    for header in (
        [LIVE + line * 8 + END],
        [LIVE + b"X: " + long],  # a header that never ends
        [LIVE, *[b"X: x\r\n" * 100] * 1000],
        [b"GET /" + long],
        [LIVE + b"X: " + b"x" * 10_000_000 + b"\r\n" + END],
        [chunked + b"\r\n0\r\nX: " + long],  # a trailer
        [chunked + b"\r\n1;" + long],  # the head of a chunk
    ):
        refused = await response_to(port, *header)
        assert refused[:12] in {b"", b"HTTP/1.1 400"}, header[0][:99]
    # Bodies have their own limit.
    for body in (
        LOGOUT + b"Content-Type: application/json\r\nContent-Length: 500000\r\n" + END + b" " * 500_000,
        chunked + END + b"400\r\n" + b" " * 1024 + b"\r\n" + b"0\r\nX: a trailer\r\n\r\n",
        chunked + END + b"1\r\n \r\n" * 20_000 + b"0\r\n\r\n",
    ):
        assert (await response_to(port, body)).startswith(b"HTTP/1.1 422 "), body[-9:]
    # The limit is for each request, not for all requests of a connection together.
    responses = await response_to(port, (LIVE + line * 3 + b"\r\n") * 9 + LIVE + END)
    assert responses.count(b"HTTP/1.1 200 ") == 10


async def test_one_line_in_the_log_for_what_is_not_http_and_a_reload_waits_for_no_endless_response() -> None:
    command = command_of_make_dev()
    seconds = command.index("--timeout-graceful-shutdown") + 1
    assert int(command[seconds]) <= 5
    command[seconds] = "1"
    async with serving(command) as (port, server):
        assert (await response_to(port, b"\0" * 200_000)).count(b"HTTP/1.1 400 ") <= 1
        log = await assert_ends_during_a_response(port, server)
    assert log.count(b"Invalid HTTP request") == 1


async def assert_ends_during_a_response(port: int, server: Process) -> bytes:
    """Return what the server wrote until its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    # As open as a stream: the server waits for the rest of the body.
    writer.write(LOGOUT + b"Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 100 ")
    server.terminate()
    try:
        async with asyncio.timeout(PATIENCE):
            _, log = await server.communicate()
    finally:
        writer.close()
    return log


async def test_a_response_to_head_is_complete_for_the_server() -> None:
    async with serving(command_of_make_dev()) as (port, server):
        head = LIVE.replace(b"GET", b"HEAD")
        responses = await response_to(port, (head + b"\r\n") * 2 + head + END)
        server.terminate()
        _, log = await server.communicate()
    assert responses.count(b"HTTP/1.1 200 ") == 3
    assert b"Content-Length" not in log


async def test_the_process_ends_if_the_metrics_port_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("METRICS_PORT", str(port))
        command = (sys.executable, "-m", "uvicorn", *command_of_make_dev(), "--port", "0")
        server = await asyncio.create_subprocess_exec(*command, cwd=PROJECT_DIR, stdout=PIPE, stderr=PIPE)
        try:
            async with asyncio.timeout(PATIENCE):
                output, _ = await server.communicate()
        finally:
            if server.returncode is None:
                server.kill()
    assert server.returncode
    assert f"METRICS_PORT {port} can't be used" in output.decode()


async def test_a_proxy_may_strip_the_prefix_that_root_path_names(
    prefixed_server: int, superuser: User, default_user: User
) -> None:
    origin = {"Origin": "https://app.example.com"}
    url = f"http://127.0.0.1:{prefixed_server}"
    async with AsyncClient(base_url=url, headers={"Host": "api.example.com"}, timeout=PATIENCE) as proxy:
        for path in ("/", "/health/live", "/health/ready", "/docs"):
            assert (await proxy.get(path)).status_code == 200, path
        scheme = (await proxy.get("/openapi.json")).json()["components"]["securitySchemes"]["OAuth2PasswordBearer"]
        assert scheme["flows"]["password"]["tokenUrl"] == "/x/auth/access-token"
        form = {"username": superuser.email, "password": PASSWORD}
        cookie = (await proxy.post("/auth/browser/login", data=form, headers=origin)).headers["Set-Cookie"]
        assert "Path=/x/auth/browser;" in cookie
        preflight = {**origin, "Access-Control-Request-Method": "POST"}
        allowed = (await proxy.options("/auth/browser/login", headers=preflight)).headers
        assert allowed["Access-Control-Allow-Credentials"] == "true"
        tokens = (await proxy.post("/auth/access-token", data=form)).json()
        page = await proxy.get("/users?limit=1", headers=bearer(tokens))
        following = page.links["next"]["url"]
        assert following.startswith("/x/users?limit=1&after=")
        page = await proxy.get(following.removeprefix("/x"), headers=bearer(tokens))
        assert [user["email"] for user in page.json()] == [superuser.email]
        metadata = (await proxy.get("/.well-known/oauth-authorization-server")).json()
        assert metadata["token_endpoint"] == "https://api.example.com/x/auth/access-token"


async def test_a_root_path_that_is_not_the_prefix_is_refused_by_its_name(capfd: pytest.CaptureFixture[str]) -> None:
    async with other_application() as app:
        transport = ASGITransport(app, root_path="/strange")
        async with AsyncClient(transport=transport, base_url="http://api.example.com") as proxy:
            assert (await proxy.get("/health/live")).status_code == 500
    assert "--root-path /strange: set API_PREFIX to the same" in capfd.readouterr().out
