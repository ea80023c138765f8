"""What runs here, and whether it is healthy."""

from fastapi import APIRouter, Response, status

from app.api.deps import Autocommit
from app.core.config import PROJECT
from app.schemas.responses import AboutResponse, HealthResponse
from app.server.health import readiness_of
from app.server.shutdown import is_stopping

router = APIRouter()


@router.get("/")
async def about() -> AboutResponse:
    """Name and describe the application."""
    return AboutResponse(name=PROJECT["name"], version=PROJECT["version"], description=PROJECT["description"])


@router.get("/health/live")
async def live() -> HealthResponse:
    """Respond, which shows that the process is alive; this checks nothing else."""
    return HealthResponse(status="ok")


@router.get("/health/ready", responses={503: {"model": HealthResponse, "description": "Which check failed"}})
async def ready(response: Response, database: Autocommit) -> HealthResponse:
    """Report whether the database responds and has the newest migration, and no shutdown has begun."""
    checks = {"server": "stopping"} if is_stopping() else {"database": await readiness_of(database).problem() or "ok"}
    if set(checks.values()) == {"ok"}:
        return HealthResponse(status="ok", checks=checks)
    response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return HealthResponse(status="failed", checks=checks)
