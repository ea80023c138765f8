"""A page to try second factors and passkeys on, for development, and as an example to read."""

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Final

import segno
from fastapi import APIRouter, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from pydantic import Field

from app.api.deps import CurrentUser
from app.schemas.requests import JsonRequest

router = APIRouter(include_in_schema=False)
PAGES: Final = Path(__file__).parents[1] / "pages"
assets = StaticFiles(directory=PAGES)

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Drawing is pure Python, at most 20 ms: several at once would only slow down the event loop.
_thread = ThreadPoolExecutor(1, "QR code")


class QrCodeRequest(JsonRequest):
    # URIs are ASCII, of which 500 characters cost a quarter of what 500 emoji do.
    text: Annotated[str, Field(max_length=500, pattern=r"^otpauth://[!-~]+$", repr=False)]


@router.get("/docs/second-factor")
async def read_second_factor_page() -> FileResponse:
    return FileResponse(PAGES / "second-factor.html", headers={"Content-Security-Policy": POLICY})


@router.post("/docs/second-factor/qr")
async def draw_qr_code(request: QrCodeRequest, _: CurrentUser) -> Response:
    image = await asyncio.get_running_loop().run_in_executor(_thread, _draw, request.text)
    return Response(image, media_type="image/svg+xml")


def _draw(text: str) -> bytes:
    image = io.BytesIO()
    segno.make_qr(text).save(image, kind="svg", scale=8)
    return image.getvalue()
