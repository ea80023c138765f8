"""What other services need to know to use and verify our tokens; always at the root of the host."""

from fastapi import APIRouter, HTTPException, Response, status

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
