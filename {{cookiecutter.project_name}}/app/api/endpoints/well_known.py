"""What other services need to know to use and verify our tokens, and whom to tell of a vulnerability.

Always at the root of the host, too.
"""

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, HTTPException, Response, status
from fastapi.responses import PlainTextResponse

from app.api.errors import NOT_FOUND, documented
from app.api.grants import grants
from app.auth.scopes import SCOPES
from app.core.config import settings
from app.core.security import public_keys
from app.schemas.responses import KeySetResponse, ServerMetadataResponse

router = APIRouter(prefix="/.well-known")

CACHEABLE = "public, max-age=300"  # seconds; docs/other-services.md reckons with it when keys rotate


@router.get("/jwks.json")
async def read_key_set(response: Response) -> KeySetResponse:
    """Read the public keys of access tokens (RFC 7517); none while `SECRET_KEY` signs them."""
    response.headers["Cache-Control"] = CACHEABLE
    return KeySetResponse(keys=public_keys())


@router.get("/oauth-authorization-server", responses=documented(404, NOT_FOUND))
async def read_server_metadata(response: Response) -> ServerMetadataResponse:
    """Read where OAuth's endpoints are and what they can do (RFC 8414); 404 without `PUBLIC_URL`."""
    if settings.public_url is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, NOT_FOUND)
    response.headers["Cache-Control"] = CACHEABLE
    auth = f"{settings.public_url}{settings.api_prefix}/auth"
    return ServerMetadataResponse(
        issuer=settings.public_url,
        token_endpoint=f"{auth}/access-token",
        revocation_endpoint=f"{auth}/revoke",
        token_endpoint_auth_methods_supported=[
            "none",
            *(each for grant in grants.values() for each in grant.auth_methods),
        ],
        jwks_uri=f"{settings.public_url}/.well-known/jwks.json",
        grant_types_supported=["password", "refresh_token", *grants],
        scopes_supported=list(SCOPES),
    )


@router.get("/security.txt", response_class=PlainTextResponse, include_in_schema=False)
async def read_security_contact(response: Response) -> str:
    """Read whom to tell of a vulnerability (RFC 9116); 404 without `SECURITY_CONTACT`."""
    if settings.security_contact is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, NOT_FOUND)
    response.headers["Cache-Control"] = CACHEABLE
    expires = datetime.now(UTC).date() + timedelta(days=30)  # while we serve it, it is up to date
    lines = [f"Contact: {settings.security_contact}", f"Expires: {expires}T00:00:00Z"]
    if settings.public_url:
        lines.append(f"Canonical: {settings.public_url}/.well-known/security.txt")
    return "\n".join([*lines, ""])
