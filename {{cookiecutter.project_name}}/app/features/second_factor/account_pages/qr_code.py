"""The QR code with which an authenticator app is set up. The page draws none itself, and asks nobody else to."""

from typing import Annotated
from xml.etree import ElementTree

import segno
from fastapi import APIRouter
from pydantic import Field

from app.api.deps import CurrentUser
from app.api.errors import BODY, UNAUTHORIZED
from app.schemas.requests import JsonRequest
from app.schemas.responses import Response

router = APIRouter()


class QrCodeRequest(JsonRequest):
    """`otpauth_uri` of `POST /auth/totp`."""

    otpauth_uri: Annotated[
        str,
        Field(
            max_length=1024,  # an address has at most 254 bytes, percent-encoded 762
            pattern=r"^otpauth://totp/[!-~]*$",
            repr=False,
            examples=["otpauth://totp/api:ana%40example.com?secret=JBSWY3DPEHPK3PXP&issuer=api"],
        ),
    ]


class QrCodeResponse(Response):
    """For `<svg viewBox="0 0 {size} {size}"><path d="{path}" stroke="black"/></svg>`, on white."""

    size: Annotated[int, Field(examples=[45])]
    path: Annotated[str, Field(examples=["M4 4.5h7m3 0h1m…"])]


@router.post("/totp/qr-code", responses=UNAUTHORIZED | BODY)
def draw_qr_code(code: QrCodeRequest, _: CurrentUser) -> QrCodeResponse:  # not async: it takes up to 50 ms, in a thread
    """Draw the URI that an authenticator app reads, with the margin that a QR code needs."""
    # The best of the eight masks takes ten times longer to find than any of them takes to draw; readers know them all.
    drawing = segno.make_qr(code.otpauth_uri, error="l", boost_error=False, mask=0)
    (path,) = ElementTree.fromstring(drawing.svg_inline())  # noqa: S314 — no stranger's XML
    return QrCodeResponse(size=int(drawing.symbol_size()[0]), path=path.attrib["d"])
