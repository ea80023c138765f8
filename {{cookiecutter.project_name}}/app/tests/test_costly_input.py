"""No request, whatever it contains, blocks the event loop for longer than 50 ms; and a 422 is short."""

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable

import pytest
from httpx import AsyncClient

from app.core.config import settings
from app.main import app
from app.server.limits import MAX_BODY_SIZE, MAX_HEADER_SIZE, MAX_PROBLEMS
from app.tests.helpers import said_by_features

LONGEST_HOLD = 0.05  # CPU seconds, so that other programs don't count, except that they slow a processor down
ATTEMPTS = 10  # of a request, which the processor may be slower for than for the yardstick


HEADER = MAX_HEADER_SIZE - 4096  # leaves room for the other headers


def filled(unit: bytes, before: bytes = b"", after: bytes = b"", size: int = MAX_BODY_SIZE) -> bytes:
    return before + unit * ((size - len(before) - len(after)) // len(unit)) + after


def listed(item: bytes) -> bytes:
    return filled(item + b",", b"[", item + b"]")


def many(numbered: str, start: str = "", end: str = "", size: int = MAX_BODY_SIZE) -> bytes:
    """As many different numbers as fit."""
    length = len(numbered % 200_000)
    return (start + ",".join(numbered % number for number in range(size // (length + 1) - 2)) + end).encode()


YARDSTICK = many('"%x":1', "{", "}", MAX_BODY_SIZE // 2)
YARDSTICK_SECONDS = 0.0125  # what parsing that takes on the processor for which LONGEST_HOLD was set


def slowdown() -> float:
    begun = time.thread_time()
    json.loads(YARDSTICK)
    return (time.thread_time() - begun) / YARDSTICK_SECONDS


JSON_BODIES = {
    "unknown fields": many('"%x":1', "{", "}"),
    "unknown fields of arrays": many('"%x":[]', "{", "}"),
    "a repeated field": filled(b'"refresh_token":1,', b"{", b'"":1}'),
    "empty arrays": listed(b"[]"),
    "objects with one field each": many('{"%x":0}', "[", "]"),
    "objects in a known field": filled(b"{},", b'{"is_active":[', b"0]}"),
    "nested arrays": listed(b"[" * 400 + b"]" * 400),
    "nested objects": listed(b'{"":' * 200 + b"0" + b"}" * 200),
    "digits": listed(b"1"),
    "numbers of 20 digits": listed(b"9" * 20),
    "the longest numbers": listed(b"9" * 4300),
    "fractions": listed(b"0.12345678901234567e-300"),
    "one fraction": filled(b"9", b"0."),
    "strings": listed(b'"\\n"'),
    "escapes": filled(b"\\u0041", b'"', b'"'),
    "surrogates": filled(b"\\ud83d\\ude00", b'"', b'"'),
    "emoji": filled("😀".encode(), b'"', b'"'),
    "lines before an error": filled(b"\n", b"", b"x"),
    "arrays in UTF-16": listed(b"[]").decode()[: MAX_BODY_SIZE // 2].encode("utf-16-le"),
    "a long token": filled(b"a.", b'{"refresh_token":"', b'"}'),
    "a long email address": filled(b"a@b.", b'{"password":"12345678","email":"', b'"}'),
    "an email address of accents": filled("\u0315\u0300".encode(), b'{"password":"12345678","email":"a', b'@b.de"}'),
    "a password of accents": filled("\u0315\u0300".encode(), b'{"email":"a@b.de","password":"a', b'"}'),
    "a long key": filled("é".encode(), b'{"', b'":1}'),
}
FORMS = {
    "fields": many("%x=").replace(b",", b"&"),
    "separators": filled(b"&"),
    "fields without a name": filled(b"=&"),
    "percent signs": filled(b"%", b"username="),
    "escapes": filled(b"%41", b"username="),
    "escapes in many fields": filled(b"a=" + b"%41" * 340 + b"&"),
    "spaces": filled(b"+", b"username="),
    "a long name": filled(b"x"),
    "a password of accents": filled("\u0315\u0300".encode(), b"username=a@b.de&password=a"),
    "a long token": filled(b"x", b"token="),
    "a token of dots": filled(b".", b"token="),
    "a token with a long header": b"token="
    + base64.urlsafe_b64encode(filled(b"[],", b'{"typ":"at+jwt","alg":"HS256","x":[', b"0]}", 750_000)),
}
PART = b'--x\r\nContent-Disposition: form-data; name="a"'
MULTIPARTS = {
    "parts": filled(PART + b"\r\n\r\n\r\n"),
    "files": filled(PART + b'; filename="a"\r\n\r\n\r\n'),
    "headers": filled(b"a:b\r\n", b"--x\r\n"),
    "parameters": filled(b";a=b", PART),
    "half a boundary": filled(b"\r\n--y", PART + b"\r\n\r\n"),
    "line ends": filled(b"\r\n", PART + b"\r\n\r\n"),
}
HEADERS = {
    "cookies": (b"Cookie", filled(b"a=b;", size=HEADER)),
    "a quoted cookie": (b"Cookie", filled(b"\\", b'a="', b'"', HEADER)),
    "a cookie of octal digits": (b"Cookie", filled(b"\\101", b'a="', b'"', HEADER)),
    "a token of dots": (b"Authorization", filled(b".", b"Bearer ", size=HEADER)),
    "a token with a long header": (
        b"Authorization",
        b"Bearer " + base64.b64encode(filled(b"[],", b"[", b"0]", 45_000)),
    ),
    "parameters": (b"Content-Type", filled(b";", b"multipart/form-data", size=HEADER)),
    "ranges": (b"Range", filled(b"0-1,", b"bytes=", size=HEADER)),
    "requested headers": (b"Access-Control-Request-Headers", filled(b"a,", size=HEADER)),
    "proxies": (b"X-Forwarded-For", filled(b"1.1.1.1,", size=HEADER)),
}
QUERIES = {
    "parameters": filled(b"a=&", size=HEADER),
    "a repeated parameter": filled(b"limit=1&", size=HEADER),
    "percent signs": filled(b"%", b"after=", size=HEADER),
    "digits": filled(b"9", b"limit=", size=HEADER),
    "a cursor": b"after=" + base64.urlsafe_b64encode(filled(b"[],", b"[", b"0]", 45_000)).rstrip(b"="),
}


Send = Callable[..., Awaitable[None]]


@pytest.fixture
def longest_hold(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """The CPU seconds of the event loop's longest step since the last call."""
    longest = 0.0
    run = asyncio.Handle._run

    def measured(handle: asyncio.Handle) -> None:
        nonlocal longest
        begun = time.thread_time()
        run(handle)
        longest = max(longest, time.thread_time() - begun)

    def reset() -> float:
        nonlocal longest
        was, longest = longest, 0.0
        return was

    monkeypatch.setattr(asyncio.Handle, "_run", measured)
    return reset


@pytest.fixture
def send(client: AsyncClient, superuser_headers: dict[str, str], longest_hold: Callable[[], float]) -> Send:
    client.event_hooks = {}  # other tests check what is documented

    async def send(method: str, url: str, headers: dict[bytes, bytes], content: bytes = b"") -> None:
        known = {name.encode(): value.encode() for name, value in superuser_headers.items()} | headers
        holds = []
        for _ in range(ATTEMPTS):
            await asyncio.sleep(0)  # so that the request begins a new step
            longest_hold()
            response = await client.request(method, url, headers=known, content=content)
            await asyncio.sleep(0)
            holds.append(longest_hold())
            assert response.status_code < 500
            if response.status_code == 422:
                assert len(response.json()["detail"]) <= MAX_PROBLEMS
                assert len(response.content) <= 16 * 1024
            if holds[-1] >= LONGEST_HOLD:
                holds[-1] /= slowdown()
            if holds[-1] < LONGEST_HOLD:
                return
        pytest.fail(f"the event loop was blocked for {[f'{hold:.3f} s' for hold in holds]}")

    return send


def body_of(method: str, path: str) -> str:
    """What the specification says of it."""
    return json.dumps(app.openapi()["paths"][settings.api_prefix + path][method.lower()]["requestBody"])


# Routes that anybody may call, one for each kind of body: a browser's login is parsed like an application's.
JSON_ROUTES_OF_FEATURES = {
    body_of(*call): call
    for routes in said_by_features("routes")
    for call in sorted(getattr(routes, "OPEN_TO_ALL", ()))
    if call in routes.BODIES
}


@pytest.mark.parametrize("body", JSON_BODIES.values(), ids=JSON_BODIES)
async def test_no_json_blocks_the_event_loop(send: Send, body: bytes) -> None:
    assert MAX_BODY_SIZE // 2 < len(body) <= MAX_BODY_SIZE
    for method, path in (
        ("POST", "/auth/logout"),
        ("POST", "/users/register"),
        *JSON_ROUTES_OF_FEATURES.values(),
        ("PATCH", "/users/8ae7ff58-9b32-4ac9-94b7-8d5a3f4b7f45"),
    ):
        await send(method, path, {b"Content-Type": b"application/json"}, body)


@pytest.mark.parametrize("body", FORMS.values(), ids=FORMS)
async def test_no_form_blocks_the_event_loop(send: Send, body: bytes) -> None:
    for path in ("/auth/access-token", "/auth/revoke"):
        await send("POST", path, {b"Content-Type": b"application/x-www-form-urlencoded"}, body)


@pytest.mark.parametrize("body", MULTIPARTS.values(), ids=MULTIPARTS)
async def test_no_multipart_form_blocks_the_event_loop(send: Send, body: bytes) -> None:
    await send("POST", "/auth/access-token", {b"Content-Type": b"multipart/form-data; boundary=x"}, body)


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
async def test_no_header_blocks_the_event_loop(send: Send, header: tuple[bytes, bytes]) -> None:
    for method, path in (("GET", "/users/me"), ("GET", "/docs-assets/favicon.png"), ("OPTIONS", "/users/me")):
        await send(method, path, dict([header]))
    name, value = header
    await send("POST", "/auth/access-token", {b"Content-Type": b"multipart/form-data; boundary=x", name: value}, b"--x")


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
async def test_no_query_blocks_the_event_loop(send: Send, query: bytes) -> None:
    for path in (
        "/users",
        "/pets/me",
    ):
        await send("GET", f"{path}?{query.decode()}", {})


@pytest.mark.parametrize(
    "path", ["/users" + "/" * HEADER, "/docs-assets" + "/a" * (HEADER // 2), "/users/" + "9" * HEADER]
)
async def test_no_path_blocks_the_event_loop(send: Send, path: str) -> None:
    for method in ("GET", "PUT"):
        await send(method, path, {})
