"""Where people manage their passkeys; at the root, whatever API_PREFIX is."""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field

from app.api.endpoints.well_known import CACHEABLE
from app.core.pages import pages_url
from app.schemas.responses import Response as Content

router = APIRouter()
_Page = Annotated[str, Field(examples=["https://api.example.com/account#passkeys"])]


class PasskeyEndpointsResponse(Content):
    enroll: _Page
    manage: _Page


@router.get("/.well-known/passkey-endpoints")
async def read_passkey_endpoints(response: Response) -> PasskeyEndpointsResponse:
    """Read where password managers send people who want a passkey (W3C: A Well-Known URL for Passkey Endpoints)."""
    response.headers["Cache-Control"] = CACHEABLE
    page = f"{pages_url()}#passkeys"
    return PasskeyEndpointsResponse(enroll=page, manage=page)
