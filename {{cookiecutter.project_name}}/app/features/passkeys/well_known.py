"""Which other sites may use our passkeys; at the root, whatever API_PREFIX is."""

from fastapi import APIRouter, HTTPException, Response, status

from app.api.endpoints.well_known import CACHEABLE
from app.api.errors import NOT_FOUND, documented
from app.core.config import settings
from app.features.passkeys.schemas import RelatedOriginsResponse

router = APIRouter()


@router.get("/.well-known/webauthn", responses=documented(404, NOT_FOUND))
async def read_related_origins(response: Response) -> RelatedOriginsResponse:
    """Read whose pages, beside our own, may use our passkeys (WebAuthn section 5.11); 404 without `PUBLIC_URL`."""
    if settings.public_url is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, NOT_FOUND)
    response.headers["Cache-Control"] = CACHEABLE
    return RelatedOriginsResponse(origins=settings.named_cors_origins)
