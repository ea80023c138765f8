"""What runs here, and whether it is well."""

from fastapi import APIRouter, Response, status

from app.core.config import PROJECT
from app.core.database import schema_problem
from app.schemas.responses import AboutResponse, HealthResponse

router = APIRouter()


@router.get("/")
async def about() -> AboutResponse:
    """Say what runs here."""
    return AboutResponse(name=PROJECT["name"], version=PROJECT["version"], description=PROJECT["description"])


@router.get("/health/live")
async def live() -> HealthResponse:
    """Answer, which is all there is to being alive: nothing else is touched."""
    return HealthResponse(status="ok")


@router.get("/health/ready", responses={503: {"model": HealthResponse, "description": "Which check failed"}})
async def ready(response: Response) -> HealthResponse:
    """Say whether requests can be served: the database answers and has the newest migration."""
    problem = await schema_problem()
    if problem is None:
        return HealthResponse(status="ok", checks={"database": "ok"})
    response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return HealthResponse(status="failed", checks={"database": problem})
