"""Hostile input gets a 4xx: never a 500, and never an echo of a secret."""

import json
from collections.abc import AsyncIterator

import pytest
from fastapi import Request, UploadFile
from httpx import AsyncClient

from app.models import User
from app.tests.helpers import Json, client_at, is_logged_in, login, try_login
from app.tests.other_settings import other_application

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SECRET = "swordfish swordfish"
MEBIBYTE = 1024 * 1024

# Every route that takes JSON, with a body that it would accept.
BODIES: list[tuple[str, str, Json]] = [
    ("POST", "/auth/refresh-token", {"refresh_token": SECRET}),
    ("POST", "/auth/logout", {"refresh_token": SECRET}),
    ("POST", "/users/register", {"email": "new@example.com", "password": SECRET}),
    ("POST", "/users/reset-password", {"current_password": SECRET, "new_password": SECRET}),
    ("PATCH", "/users/8ae7ff58-9b32-4ac9-94b7-8d5a3f4b7f45", {"is_active": True, "is_superuser": False}),
    ("POST", "/pets/create", {"pet_name": "Rex"}),
    ("PATCH", "/pets/8ae7ff58-9b32-4ac9-94b7-8d5a3f4b7f45", {"pet_name": "Rex"}),
]


@pytest.fixture
def superuser_client(client: AsyncClient, superuser_headers: dict[str, str]) -> AsyncClient:
    """A client that may call every route."""
    client.headers.update(superuser_headers)
    return client


async def chunks(total: int) -> AsyncIterator[bytes]:
    """A JSON string of this many bytes, in chunks and without a Content-Length."""
    yield b'"'
    for _ in range((total - 2) // 60_000):
        yield b"x" * 60_000
    yield b"x" * ((total - 2) % 60_000) + b'"'


async def test_a_malformed_json_body_is_a_4xx(superuser_client: AsyncClient) -> None:
    for method, path, _ in BODIES:
        for body in (
            b"",
            b"{",
            b"nonsense",
            b"null",
            b"[]",
            b"0",
            b'"' + SECRET.encode() + b'"',
            b"[" * 10_000,
            b'{"a":' * 10_000,
            b"[" * 10_000 + b"]" * 10_000,
            b"9" * 10_000,
            b"1e999999",
            b"NaN",
            b"\xff\xfe\x00",
            b'{"\xc3\x28": 1}',
            b'{"\\ud800": "\\ud800"}',
            b"[" + b"{}," * 10_000 + b"{}]",
        ):
            response = await superuser_client.request(method, path, content=body, headers=JSON)
            assert response.status_code in {400, 422}, body[:40]
            assert SECRET not in response.text


async def test_a_field_of_any_type_and_size_is_refused_without_an_echo(superuser_client: AsyncClient) -> None:
    for method, path, good in BODIES:
        for field in good:
            values: list[object] = [10**400, -1.5, 2**63, [SECRET], {"a": SECRET}, [[[[]]]], SECRET * 5000]
            for value in values:
                response = await superuser_client.request(method, path, json=good | {field: value})
                any_text = path == "/auth/logout" and isinstance(value, str)
                assert response.status_code == 422 or any_text, value
                assert SECRET not in response.text


async def test_text_that_utf_8_cannot_encode_causes_no_500(superuser_client: AsyncClient) -> None:
    for method, path, good in BODIES:
        for text in ("\\ud800", "\\udfff\\ud800", "\\u0000", "a\\u0000b@example.com", "\\ud83d"):
            for field in good:
                body = json.dumps(good | {field: "?"}).replace("?", text)
                response = await superuser_client.request(method, path, content=body, headers=JSON)
                assert response.status_code < 500


async def test_an_unknown_field_is_refused_without_an_echo(superuser_client: AsyncClient) -> None:
    for method, path, good in BODIES:
        for unknown in ("extra", "", "\0", "__class__", "żółw", "x" * 10_000):
            response = await superuser_client.request(method, path, json=good | {unknown: SECRET})
            assert response.status_code == 422
            assert {problem["type"] for problem in response.json()["detail"]} == {"extra_forbidden"}
            assert SECRET not in response.text


async def test_a_422_lists_at_most_20_problems(superuser_client: AsyncClient) -> None:
    for name, count, least in (("x", 19, 20), ("x", 100, 20), ("😀" * 10_000, 25, 10), ("x", 101, 1), ("x", 50_000, 1)):
        body = {f"{name}{number}": SECRET for number in range(count)}
        content = json.dumps(body, ensure_ascii=False).encode()[:MEBIBYTE]
        if not content.endswith(b"}"):
            content = content[: content.rindex(b", ")] + b"}"
        response = await superuser_client.post("/auth/logout", content=content, headers=JSON)
        assert response.status_code == 422
        assert least <= len(response.json()["detail"]) <= 20
        assert len(response.content) <= 16 * 1024
        assert SECRET not in response.text


async def test_a_refresh_token_has_a_maximum_length(client: AsyncClient) -> None:
    for length, status in ((512, 400), (513, 422), (100_000, 422)):
        response = await client.post("/auth/refresh-token", json={"refresh_token": "x" * length})
        assert response.status_code == status
        # Logging out succeeds with a token that nobody issued.
        assert (await client.post("/auth/logout", json={"refresh_token": "x" * length})).status_code == 204


async def test_another_content_type_is_refused(superuser_client: AsyncClient) -> None:
    for method, path, good in BODIES:
        body = json.dumps(good).encode()
        for content_type in (b"text/plain", b"application/xml", b"multipart/form-data", b"", b"\xff", b"x" * 9000):
            headers = {b"Content-Type": content_type}
            response = await superuser_client.request(method, path, content=body, headers=headers)
            assert response.status_code == 422, content_type
            assert SECRET not in response.text


async def test_a_malformed_login_form_is_a_4xx(client: AsyncClient, default_user: User) -> None:
    for body in (
        b"",
        b"username",
        b"=",
        b"&&&&",
        b"username=%FF&password=%FF",
        b"username=%00&password=swordfish",
        b"username=%ED%A0%80&password=swordfish",
        b"username=\xff&password=\xff",
        b"username=" + b"x" * 10_000 + b"&password=swordfish",
        b"username=ana@example.com&password=" + b"swordfish" * 100,
        b"a=b&" * 2000 + b"username=ana@example.com&password=swordfish",
        b"username[]=ana@example.com&password[]=swordfish",
        b'{"username": "ana@example.com", "password": "swordfish"}',
    ):
        response = await client.post("/auth/access-token", content=body, headers=FORM)
        assert response.status_code in {400, 422}, body[:40]
        assert "swordfish" not in response.text


@pytest.mark.parametrize("path", ["/auth/access-token", "/auth/browser/login", "/auth/revoke"])
async def test_json_at_a_route_that_takes_a_form_is_told_so(client: AsyncClient, path: str) -> None:
    for headers in ({}, {"Content-Type": "application/vnd.api+JSON; charset=utf-8"}):
        response = await client.post(path, json={"username": "ana@example.com", "password": "x"}, headers=headers)
        assert response.status_code == 422
        assert [problem["msg"] for problem in response.json()["detail"]] == [
            "Send a form (application/x-www-form-urlencoded) instead of JSON"
        ]


async def test_a_malformed_multipart_form_is_a_4xx(client: AsyncClient) -> None:
    for boundary in (b"", b"; boundary=x", b"; boundary=" + b"x" * 1000, b"; boundary=\xff"):
        for body in (
            b"",
            b"--x",
            b"--x\r\n\r\n",
            b'--x\r\nContent-Disposition: form-data; name="username"; filename="a"\r\n\r\nfile\r\n--x--\r\n',
            b'--x\r\nContent-Disposition: form-data; name="\xff"\r\n\r\nswordfish\r\n--x--\r\n',
            b'--x\r\nContent-Disposition: form-data; name="username"\r\n\r\nana' * 2000,
        ):
            headers = {b"Content-Type": b"multipart/form-data" + boundary}
            response = await client.post("/auth/access-token", content=body, headers=headers)
            assert response.status_code in {400, 422}, (boundary, body[:40])
            assert "swordfish" not in response.text


async def test_duplicate_form_fields_are_refused(client: AsyncClient, default_user: User) -> None:
    for body in (
        b"username=ana@example.com&password=wrong&password=wrong",
        b"username=ana@example.com&username=nobody@example.com&password=wrong",
    ):
        response = await client.post("/auth/access-token", content=body, headers=FORM)
        assert response.status_code in {400, 422}


async def test_duplicate_headers_and_parameters_cause_no_500(
    client: AsyncClient, superuser_headers: dict[str, str]
) -> None:
    good = superuser_headers["Authorization"].encode()
    bad_first = await client.get("/users/me", headers=[(b"Authorization", b"Bearer bad"), (b"Authorization", good)])
    bad_last = await client.get("/users/me", headers=[(b"Authorization", good), (b"Authorization", b"Bearer bad")])
    assert 401 in {bad_first.status_code, bad_last.status_code} <= {200, 401}
    for query in ("limit=1&limit=x", "limit=x&limit=1", "after=x&after=", "limit[]=1", "limit=1&unknown=1"):
        assert (await client.get(f"/users?{query}", headers=superuser_headers)).status_code in {200, 422}


async def test_a_malformed_id_in_a_path_is_a_4xx(superuser_client: AsyncClient) -> None:
    for value in (
        *("0", "-1", "9" * 40, str(2**63), "1.0", "x", "null", "x" * 5000, "%00", "%2F", "%FF", "%ED%A0%80"),
        *("8ae7ff58-9b32-4ac9-94b7-8d5a3f4b7f4", "8ae7ff58-9b32-4ac9-94b7-8d5a3f4b7f45x", "{user_id}"),
    ):
        for method in ("GET", "PATCH", "DELETE"):
            for collection in (
                "/users",
                "/pets",
                "/auth/sessions",
            ):
                response = await superuser_client.request(method, f"{collection}/{value}", headers=JSON)
                assert response.status_code in {404, 405, 422}, (method, collection, value)


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
async def test_a_body_over_1_mib_is_a_413(superuser_client: AsyncClient, declared: bool) -> None:
    for method, path, _ in BODIES:
        for size, status in ((MEBIBYTE, 422), (MEBIBYTE + 1, 413)):
            body = b"".join([chunk async for chunk in chunks(size)]) if declared else chunks(size)
            response = await superuser_client.request(method, path, content=body, headers=JSON)
            assert response.status_code == status
            if status == 413:
                assert response.json() == {"detail": "Content Too Large"}


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
async def test_a_login_form_over_1_mib_is_a_413(client: AsyncClient, declared: bool) -> None:
    body = b"x" * (MEBIBYTE + 1) if declared else chunks(MEBIBYTE + 1)
    response = await client.post("/auth/access-token", content=body, headers=FORM)
    assert (response.status_code, response.json()["detail"]) == (413, "Content Too Large")


async def store(request: Request) -> int:
    return sum([len(piece) async for piece in request.stream()])


async def receive_file(file: UploadFile) -> int:
    return len(await file.read())


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
async def test_one_route_may_take_larger_bodies_of_any_bytes(declared: bool) -> None:
    size = 3 * MEBIBYTE
    async with other_application() as other:
        other.add_api_route("/files/{name}", store, methods=["PUT"], max_body_size=size)
        other.add_api_route("/files/{name}", store, methods=["POST"])
        other.add_api_route("/forms", receive_file, methods=["POST"], max_body_size=size)
        client = client_at("198.51.100.1", other)
        root = client.base_url.copy_with(path="/")

        async def status_of(method: str, path: str, content: bytes, content_type: str = "image/png") -> int:
            async def streamed() -> AsyncIterator[bytes]:
                yield content

            body, headers = content if declared else streamed(), {"Content-Type": content_type}
            response = await client.request(method, root.join(path), content=body, headers=headers)
            assert response.status_code != 413 or response.json() == {"detail": "Content Too Large"}
            return response.status_code

        costly = b"[{%" * MEBIBYTE
        assert len(costly) == size
        assert await status_of("PUT", "/files/a", costly) == 200
        assert await status_of("PUT", "/files/a", costly + b"x") == 413
        assert await status_of("POST", "/files/a", costly) == 413
        assert await status_of("PUT", "/files/a/b", costly) in {404, 413}  # not this route
        part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        form = part + costly[:-200] + b"\r\n--x--\r\n"
        assert await status_of("POST", "/forms", form, "multipart/form-data; boundary=x") == 200
        # Whatever may be parsed is still counted.
        for content_type in ("application/json", "Application/Ld+JSON ;x=y", "application/x-www-form-urlencoded", " "):
            assert await status_of("PUT", "/files/a", costly, content_type) == 400


async def test_no_content_length_causes_a_500(client: AsyncClient) -> None:
    for length, status in (
        *((b"1048577", 413), (b"9" * 30, 413), (b"9" * 5000, 413)),  # before any of the body is read
        *((b"1048576", 422), (b"-1", 422), (b"x", 422), (b"\xb2", 422), (b"1e9", 422), (b"", 422)),
    ):
        headers = [(b"Content-Length", length), (b"Content-Type", b"application/json")]
        response = await client.post("/auth/logout", content=b"{}", headers=headers)
        assert response.status_code == status, length[:9]


async def test_sql_in_the_login_form_is_just_a_wrong_password(client: AsyncClient, default_user: User) -> None:
    assert (await try_login(client, "' OR 1=1 --", "' OR 1=1 --")).status_code == 400
    assert await is_logged_in(client, await login(client, default_user))
