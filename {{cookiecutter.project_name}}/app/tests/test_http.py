"""What every response has, whatever the route: headers, methods, hosts, origins, errors."""

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import datetime
from tempfile import TemporaryFile
from unittest.mock import patch

import pytest
from fastapi.responses import StreamingResponse
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import ASGIApp, Message, Scope

from app.core.config import settings
from app.main import app
from app.models import User
from app.server.forwarded import ForwardedFor
from app.server.logging import RequestRecord
from app.tests.helpers import PASSWORD, bearer, client_at, login, refresh, try_login, try_refresh
from app.tests.other_settings import application_with, other_application, other_settings, refusal

ORIGIN = "https://app.example.com"  # BACKEND_CORS_ORIGINS


async def test_responses_of_every_kind_have_the_security_headers(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    for method, path, status in (
        ("GET", "/users/me", 200),
        ("GET", "/nowhere", 404),
        ("PUT", "/users/me", 405),
        ("POST", "/pets/create", 422),
        ("POST", "/auth/logout-all", 204),
        ("GET", "/users/me", 401),
    ):
        response = await client.request(method, path, headers=default_user_headers)
        assert response.status_code == status
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["Strict-Transport-Security"].startswith("max-age=")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/users/me", "DELETE, GET, HEAD"),
        ("/users", "GET, HEAD"),
        ("/users/register", "POST"),
        ("/users/8ae7ff58-9b32-4ac9-94b7-8d5a3f4b7f45", "DELETE, GET, HEAD, PATCH"),
        ("/pets/create", "POST"),
        ("/pets/8ae7ff58-9b32-4ac9-94b7-8d5a3f4b7f45", "DELETE, GET, HEAD, PATCH"),
        ("/auth/sessions", "GET, HEAD"),
        ("/health/live", "GET, HEAD"),
        ("/.well-known/jwks.json", "GET, HEAD"),
    ],
)
async def test_a_405_names_every_method_of_the_resource(client: AsyncClient, path: str, allowed: str) -> None:
    for method in ("PUT", "TRACE", "PROPFIND"):
        response = await client.request(method, path)
        assert (response.status_code, response.json()) == (405, {"detail": "Method Not Allowed"})
        assert response.headers["Allow"] == allowed


async def test_a_405_counts_as_documented(client: AsyncClient) -> None:
    # GET /users/{user_id} matches this path too, but doesn't document a 405.
    assert (await client.get("/users/register")).status_code == 405


async def test_an_unknown_path_is_a_404(client: AsyncClient) -> None:
    for path in ("/nowhere", "/health", "/auth", "/users/me/more", "/users/", "/users/me/", "/docs/"):
        response = await client.get(path)
        assert (response.status_code, response.json()) == (404, {"detail": "Not Found"})


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("api.example.com", 200),
        ("API.example.com:8000", 200),
        ("evil.example", 400),
        ("api.example.com.evil.example", 400),
        ("evil.example/api.example.com", 400),
        ("api.example.com@evil.example", 400),
        ("api.example.com:x", 400),
        ("api.example.com:65535", 200),
        ("api.example.com:65536", 400),
        ("[...]", 400),
        ("", 400),
    ],
)
async def test_only_allowed_hosts_are_served(client: AsyncClient, host: str, status: int) -> None:
    assert (await client.get("/docs", headers={"Host": host})).status_code == status


async def response_to(
    app: ASGIApp, method: str, path: str, *headers: tuple[bytes, bytes], version: str = "1.1"
) -> tuple[int, bytes]:
    """Status and body as the application sends them, with nothing added or left out by a server."""
    scope: Scope = {"type": "http", "http_version": version, "method": method, "scheme": "http", "headers": headers}
    scope.update(path=path, raw_path=path.encode(), root_path="", query_string=b"", client=("198.51.100.1", 0))
    messages: list[Message] = []
    requests: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        return requests.pop() if requests else await asyncio.Future()  # as long as the client stays connected

    async def send(message: Message) -> None:
        messages.append(dict(message))

    await app(scope, receive, send)
    return messages[0]["status"], b"".join(message.get("body", b"") for message in messages)


@pytest.mark.parametrize("allowed", ["api.example.com", "*"])
async def test_an_http_1_1_request_needs_exactly_one_host(allowed: str) -> None:
    host = (b"host", b"api.example.com")
    async with other_application(ALLOWED_HOSTS=allowed) as app:
        for path in ("/docs", "/health/live"):
            assert (await response_to(app, "GET", path, host))[0] == 200
            assert (await response_to(app, "GET", path))[0] == 400
            assert (await response_to(app, "GET", path, host, host))[0] == 400
        assert (await response_to(app, "GET", "/health/live", version="1.0"))[0] == 200
        assert (await response_to(app, "GET", "/health/live", host, host, version="1.0"))[0] == 400


async def test_a_response_to_head_has_no_body(application: None) -> None:
    # Not every web server drops it, and the client would then read it as the start of the next response.
    host = (b"host", settings.allowed_hosts[0].encode())
    for path, status in (
        *(("/docs", 200), ("/docs-assets/favicon.png", 200), ("/health/live", 200), ("/users/me", 401)),
        *(("/nowhere", 404), ("/docs-assets/nowhere", 404), ("/users/register", 405)),
    ):
        assert await response_to(app, "HEAD", path, host) == (status, b"")
    assert await response_to(app, "HEAD", "/docs") == (400, b"")
    assert await response_to(app, "HEAD", "/docs", host, (b"content-length", b"9999999")) == (413, b"")


async def test_head_is_get_without_a_body(client: AsyncClient, default_user_headers: dict[str, str]) -> None:
    here, paths = client.base_url, ("jwks.json", "oauth-authorization-server")
    for path in (
        *("/", "/health/live", "/health/ready", "/users/me", "/pets/me", "/auth/sessions", "/docs", "/openapi.json"),
        *("/users/8ae7ff58-9b32-4ac9-94b7-8d5a3f4b7f45", "/nowhere"),
        *(str(here.copy_with(path=f"/.well-known/{name}")) for name in paths),
    ):
        get, head = [await client.request(method, path, headers=default_user_headers) for method in ("GET", "HEAD")]
        assert head.status_code == get.status_code, path
        assert head.content == b""
        for response in (get, head):
            del response.headers["X-Request-ID"]
        assert head.headers == get.headers, path
    assert (await client.head("/users/register")).status_code == 405
    assert not any("head" in operations for operations in app.openapi()["paths"].values())


async def test_a_head_request_ends_with_the_headers_of_a_stream_that_does_not_end() -> None:
    async def ticks() -> AsyncIterator[bytes]:
        while True:
            yield b"tick"
            await asyncio.sleep(0)

    async def stream() -> StreamingResponse:
        return StreamingResponse(ticks())

    async with other_application() as other:
        other.add_api_route("/ticks", stream)
        host = (b"host", settings.allowed_hosts[0].encode())
        assert await response_to(other, "HEAD", "/ticks", host) == (200, b"")


async def test_a_head_request_is_logged_as_one(client: AsyncClient, log: pytest.LogCaptureFixture) -> None:
    await client.head("/health/live")
    (record,) = [record for record in log.records if isinstance(record, RequestRecord)]
    assert record.getMessage().startswith("HEAD live 200 ")


async def test_a_second_host_is_refused(client: AsyncClient) -> None:
    hosts = [("Host", settings.allowed_hosts[0]), ("Host", "evil.example")]
    assert (await client.get("/docs", headers=hosts)).status_code == 400


async def test_probes_may_use_any_host(client: AsyncClient) -> None:
    for path in ("/health/live", "/health/ready"):
        assert (await client.get(path, headers={"Host": "10.0.0.7:8000"})).status_code == 200


async def test_the_configured_origin_may_read_responses(client: AsyncClient, default_user: User) -> None:
    preflight = await client.options(
        "/users/me",
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "DELETE",
            "Access-Control-Request-Headers": "authorization",
        },
    )
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "DELETE" in preflight.headers["Access-Control-Allow-Methods"]
    for path, status in (("/health/live", 200), ("/users/me", 401), ("/nowhere", 404)):
        response = await client.get(path, headers={"Origin": ORIGIN})
        assert response.status_code == status
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert {"Link", "Retry-After", "WWW-Authenticate"} <= set(
            response.headers["Access-Control-Expose-Headers"].split(", ")
        )


async def crash() -> None:
    raise ZeroDivisionError


async def test_the_configured_origin_may_read_every_refusal(capfd: pytest.CaptureFixture[str]) -> None:
    async with other_application() as other:
        other.add_api_route("/crash", crash)
        other.add_api_route(f"{settings.api_prefix}/auth/browser/crash", crash)
        client = client_at("198.51.100.1", other)
        here = client.base_url
        for method, path, headers, status in (
            ("GET", here.copy_with(path="/crash"), {}, 500),
            ("GET", "/auth/browser/crash", {}, 500),
            ("GET", "/users/me", {"Host": "evil.example"}, 400),
            ("GET", "/auth/browser/refresh-token", {"Host": "evil.example"}, 400),
            ("POST", "/users/register", {"Content-Length": "99999999"}, 413),
            ("GET", "/users/me", {"Cookie": "\\" * 200}, 400),
            ("PUT", "/users/me", {}, 405),
            ("POST", "/auth/access-token", {}, 422),
        ):
            response = await client.request(method, path, headers={"Origin": ORIGIN} | headers)
            assert response.status_code == status, path
            assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
            assert ("Access-Control-Allow-Credentials" in response.headers) == ("browser" in str(path))
            assert response.headers["X-Request-ID"]
    assert capfd.readouterr().out.count("Unhandled error") == 2


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://app.example.com", "https://app.example.com.evil.example", "*"]
)
async def test_other_origins_may_not_read_responses(client: AsyncClient, origin: str) -> None:
    response = await client.get("/health/live", headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in response.headers
    preflight = await client.options("/users/me", headers={"Origin": origin, "Access-Control-Request-Method": "GET"})
    assert preflight.status_code == 400
    assert "Access-Control-Allow-Origin" not in preflight.headers


async def test_a_valid_request_id_is_kept_and_any_other_replaced(client: AsyncClient) -> None:
    response = await client.get("/health/live", headers={"X-Request-ID": "0f1e-2d.3c_4b"})
    assert response.headers["X-Request-ID"] == "0f1e-2d.3c_4b"
    for forged in ("", "x" * 65, "a b", "a\tb", '"}', "é".encode().decode("latin-1")):
        response = await client.get("/health/live", headers={b"X-Request-ID": forged.encode("latin-1")})
        assert response.headers["X-Request-ID"] != forged
        assert response.headers["X-Request-ID"].isalnum()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Everything that the application and its libraries log, except what the test's client does."""
    caplog.set_level(logging.WARNING, "httpx")
    caplog.set_level(logging.INFO, "app")
    caplog.set_level(logging.DEBUG)
    logging.getLogger("app").addHandler(caplog.handler)
    yield caplog
    logging.getLogger("app").removeHandler(caplog.handler)


@contextmanager
def output() -> Iterator[list[str]]:
    """The lines that the application has written, not just buffered; filled in when the block ends."""
    handler = logging.getLogger("app").handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    lines: list[str] = []
    with TemporaryFile("w") as written:
        # Not by setStream, which flushes the former one: that of an earlier test may be closed.
        before, handler.stream = handler.stream, written
        yield lines
        lines += os.pread(written.fileno(), 1024 * 1024, 0).decode().splitlines()
        handler.stream = before


async def test_a_crash_is_a_500_for_the_client_and_a_traceback_only_in_the_log(
    client: AsyncClient, session: AsyncSession, default_user_headers: dict[str, str], log: pytest.LogCaptureFixture
) -> None:
    await session.execute(text("ALTER TABLE users RENAME COLUMN email TO lost"))
    await session.commit()
    client.event_hooks = {}  # the one response that no route documents
    try:
        response = await client.get("/users/me", headers=default_user_headers)
    finally:
        await session.execute(text("ALTER TABLE users RENAME COLUMN lost TO email"))
        await session.commit()
    assert (response.status_code, response.json()) == (500, {"detail": "Internal Server Error"})
    assert response.headers["X-Request-ID"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "UndefinedColumnError" in log.text
    assert (await client.get("/users/me", headers=default_user_headers)).status_code == 200


async def test_each_request_is_logged_through_logging(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str], log: pytest.LogCaptureFixture
) -> None:
    await client.get("/users/me", headers=default_user_headers)
    (record,) = [record for record in log.records if isinstance(record, RequestRecord)]
    assert record.getMessage().startswith("GET read_current_user 200 ")
    assert record.fields["user_id"] == default_user.id

    log.clear()
    with patch.object(log.handler, "filters", [lambda record: record.name != "app.requests"]):
        await client.get("/users/me", headers=default_user_headers)
    assert not [record for record in log.records if isinstance(record, RequestRecord)]


async def test_no_log_line_contains_a_password_or_token(
    client: AsyncClient, default_user: User, log: pytest.LogCaptureFixture
) -> None:
    secrets = [PASSWORD, "a wrong password", "a new password", "x" * 200]
    with output() as lines:
        await try_login(client, default_user.email, "a wrong password")
        await try_login(client, "a wrong password", "a wrong password")
        await client.post("/users/register", json={"email": "new@example.com", "password": "x" * 200})
        tokens = await login(client, default_user)
        secrets += [tokens["access_token"], tokens["refresh_token"]]
        await try_refresh(client, tokens["access_token"])
        tokens = await refresh(client, tokens)
        secrets += [tokens["access_token"], tokens["refresh_token"]]
        await client.get(f"/users/me?access_token={tokens['access_token']}&password={PASSWORD}", headers=bearer(tokens))
        await client.get(f"/nowhere/{tokens['refresh_token']}")
        body = {"current_password": PASSWORD, "new_password": "a new password"}
        await client.post("/users/reset-password", json=body, headers=bearer(tokens))
    written = "\n".join([log.text, *lines])
    assert "reset_current_user_password" in written
    for secret in secrets:
        assert secret not in written
        assert not any(secret in str(vars(record)) for record in log.records if record.name.startswith("app"))


async def test_every_route_is_under_api_prefix(default_user_headers: dict[str, str]) -> None:
    prefix = "/another/prefix" if settings.api_prefix != "/another/prefix" else "/a/third"
    async with application_with(API_PREFIX=prefix) as client:
        for path in ("/users/me", "/health/live", "/docs", "/openapi.json"):
            assert (await client.get(path, headers=default_user_headers)).status_code == 200, path
        # Probes are also served without the prefix.
        assert (await client.get(client.base_url.copy_with(path="/health/live"))).status_code == 200
        assert (await client.get(client.base_url.copy_with(path="/users/me"))).status_code == 404


async def test_documentation_can_be_switched_off() -> None:
    async with application_with(DOCS="false") as client:
        for path in ("/docs", "/openapi.json", "/docs-assets/swagger-ui.css"):
            assert (await client.get(path)).status_code == 404
        assert (await client.get("/users/me")).status_code == 401


@pytest.mark.parametrize("trusted", ["", "192.0.2.1"])
async def test_an_untrusted_proxy_is_logged_once(trusted: str, capfd: pytest.CaptureFixture[str]) -> None:
    async with other_application(TRUSTED_PROXIES=trusted) as app:
        client, proxy = client_at("198.51.100.1", app), client_at("192.0.2.1", app)
        await client.get("/health/live")
        if trusted:
            await proxy.get("/health/live", headers={"X-Forwarded-For": "203.0.113.9"})
        assert "TRUSTED_PROXIES" not in capfd.readouterr().out
        for header in ("X-Forwarded-For", "X-Forwarded-Proto"):
            await client.get("/health/live", headers={header: "203.0.113.9"})
        await response_to(app, "GET", "/health/live", (b"x-forwarded-for", b"1.1.1.1"))
    (line,) = [line for line in capfd.readouterr().out.splitlines() if "TRUSTED_PROXIES" in line]
    assert "198.51.100.1" in line


FORGED = "203.0.113.66"  # what a client writes, whatever it hopes for


@pytest.mark.parametrize(
    ("hops", "forwarded_for", "client"),
    [
        ("1", "192.0.2.7", "192.0.2.7"),
        ("1", f"{FORGED}, 192.0.2.7", "192.0.2.7"),
        ("2", "192.0.2.7, 10.0.0.1", "192.0.2.7"),
        ("2", f"{FORGED},{FORGED}, 192.0.2.7, 10.0.0.1", "192.0.2.7"),
        ("2", "192.0.2.7\n10.0.0.1", "192.0.2.7"),  # in two headers
        ("1", "192.0.2.7:5000", "192.0.2.7"),
        ("1", "[2001:db8::1]:5000", "2001:db8::1"),
        ("1", "2001:db8::1", "2001:db8::1"),
        # Nobody vouches for these: the peer is the client.
        ("2", FORGED, "198.51.100.1"),
        ("3", f"{FORGED}, 10.0.0.1", "198.51.100.1"),
        ("1", f"{FORGED}, unknown", "198.51.100.1"),
        ("1", f"{FORGED},", "198.51.100.1"),
        ("1", f"{FORGED}, [", "198.51.100.1"),
        ("1", "", "198.51.100.1"),
        ("0", FORGED, "198.51.100.1"),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_the_client_is_so_many_proxies_away(hops: str, forwarded_for: str, client: str, kind: str) -> None:
    seen: list[Scope] = []

    async def application(scope: Scope, *_: object) -> None:
        seen.append(scope)

    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded_for.split("\n")]
    headers.append((b"x-forwarded-proto", b"https"))
    scope: Scope = {"type": kind, "scheme": "http", "client": ("198.51.100.1", 5), "headers": headers}
    with other_settings(TRUSTED_PROXIES="", TRUSTED_PROXY_HOPS=hops):
        await ForwardedFor(application)(scope, None, None)  # type: ignore[arg-type]
    assert seen[0]["client"][0] == client
    is_vouched_for = client != "198.51.100.1"
    assert seen[0]["scheme"] == ({"http": "https", "websocket": "wss"}[kind] if is_vouched_for else "http")


@pytest.mark.parametrize(
    ("proxies", "hops", "words"),
    [
        ("192.0.2.1", "1", "are two answers to one question: set one of them"),
        ("0.0.0.0/0", "0", "TRUSTED_PROXIES must not be everybody"),
        ("192.0.2.1,::/0", "0", "TRUSTED_PROXIES must not be everybody"),
        ("", "-1", "TRUSTED_PROXY_HOPS: "),
    ],
)
def test_trust_that_a_client_could_abuse_is_refused(
    monkeypatch: pytest.MonkeyPatch, proxies: str, hops: str, words: str
) -> None:
    assert words in refusal(monkeypatch, TRUSTED_PROXIES=proxies, TRUSTED_PROXY_HOPS=hops)


async def test_production_logs_a_json_line_for_each_request(capfd: pytest.CaptureFixture[str]) -> None:
    url = settings.sqlalchemy_url.render_as_string(hide_password=False)
    async with application_with(ENVIRONMENT="production", DATABASE_URL=url, LOG_LEVEL="INFO") as client:
        await client.get("/users/me", headers={"X-Request-ID": "from-the-proxy", "Authorization": "Bearer swordfish"})
    (line,) = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert (line["level"], line["method"], line["route"], line["status"]) == ("INFO", "GET", "read_current_user", 401)
    assert (line["client"], line["request_id"]) == ("198.51.100.1", "from-the-proxy")
    assert line["duration_ms"] > 0
    assert datetime.fromisoformat(line["time"]).tzinfo is not None
    assert "swordfish" not in str(line)
    assert None not in line.values()


@pytest.mark.parametrize(("environment", "shown"), [("dev", "GET /no%20route%0A 404"), ("production", '"status":404')])
async def test_the_path_of_no_route_is_logged_in_development_only(
    environment: str, shown: str, capfd: pytest.CaptureFixture[str]
) -> None:
    url = settings.sqlalchemy_url.render_as_string(hide_password=False)
    async with application_with(ENVIRONMENT=environment, DATABASE_URL=url, LOG_LEVEL="INFO") as client:
        assert (await client.get("/no%20route%0A?with=query")).status_code == 404
    (line,) = capfd.readouterr().out.splitlines()
    assert shown in line
    assert ("no%20route" in line) == (environment == "dev")
    assert "None" not in line
    assert "query" not in line
