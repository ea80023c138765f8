"""An upload of 20 MB."""

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from httpx import AsyncClient

from app.api.endpoints import pictures
from app.api.endpoints.pictures import MAX_SIZE
from app.server.limits import MAX_BODY_SIZE


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "FOLDER", type(pictures.FOLDER)(tmp_path))
        yield tmp_path


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def streamed(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def test_20_mb_of_any_bytes_arrive(client: AsyncClient, default_user_headers: dict[str, str]) -> None:
    for body in (b"[{%" * (MAX_SIZE // 3), secrets.token_bytes(MAX_SIZE)):
        for content in (body, streamed(body)):
            headers = default_user_headers | {"Content-Type": "application/octet-stream"}
            response = await client.put("/users/me/picture", content=content, headers=headers)
            assert response.status_code == 204, response.text
        assert (await client.get("/users/me/picture", headers=default_user_headers)).content == body


async def test_no_more_arrives_and_nothing_is_left(
    client: AsyncClient, default_user_headers: dict[str, str], folder: Path
) -> None:
    body = b"x" * (MAX_SIZE + 1)
    headers = default_user_headers | {"Content-Type": "application/octet-stream"}
    for content in (body, streamed(body)):
        response = await client.put("/users/me/picture", content=content, headers=headers)
        assert (response.status_code, response.json()) == (413, {"detail": "Content Too Large"})
    response = await client.put("/users/me/picture", content=streamed(body))
    assert response.status_code == 401
    assert not left_in(folder)
    assert (await client.get("/users/me/picture", headers=default_user_headers)).status_code == 404
    response = await client.post("/users/register", content=body[: MAX_BODY_SIZE + 1])
    assert response.status_code == 413
