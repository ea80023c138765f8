"""How routers are put together."""

from pathlib import Path

from fastapi import APIRouter, Depends, FastAPI, HTTPException, WebSocket
from fastapi.testclient import TestClient

from app.api.api import put_routes_straight_into


def test_a_route_serves_alike_whether_or_not_its_router_is_in_between(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>files</h1>")
    router, nested, files = APIRouter(), APIRouter(), APIRouter()

    def refuse() -> None:
        raise HTTPException(418)

    @router.get("/items/{item}")
    async def read(item: int) -> int:
        return item

    @router.websocket("/socket")
    async def speak(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    @nested.post("/items/{item}", responses={409: {"description": "Taken"}})
    async def write(item: int) -> int:
        return item

    files.frontend("/", directory=tmp_path)
    router.include_router(nested, prefix="/nested", tags=["nested"])
    seen = []
    for is_straight in (False, True):
        app = FastAPI()
        app.include_router(router, prefix="/api", tags=["items"], responses={404: {"description": "None"}})
        app.include_router(router, prefix="/closed", dependencies=[Depends(refuse)], include_in_schema=False)
        app.include_router(files, prefix="/files")
        if is_straight:
            put_routes_straight_into(app)
        client = TestClient(app)
        requests = [("GET", "/api/items/1"), ("GET", "/api/items/x"), ("POST", "/api/nested/items/2")]
        requests += [("POST", "/api/items/1"), ("GET", "/closed/items/1"), ("GET", "/items/1"), ("GET", "/files/")]
        responses = [client.request(*request) for request in requests]
        with client.websocket_connect("/api/socket") as socket:
            text = socket.receive_text()
        seen.append(([(each.status_code, each.text) for each in responses], text, app.openapi()))
    assert [status for status, _ in seen[0][0]] == [200, 422, 200, 405, 418, 404, 200]
    assert seen[0] == seen[1]
