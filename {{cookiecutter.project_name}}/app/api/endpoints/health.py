"""What runs here, and whether it is healthy."""

from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response, status
from fastapi.responses import HTMLResponse

from app.api.deps import Autocommit
from app.core.config import PROJECT, settings
from app.schemas.responses import AboutResponse, HealthResponse
from app.server.health import readiness_of
from app.server.shutdown import is_stopping

router = APIRouter()


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<title>{name}</title>
<h1>{name} {version}</h1>
<p>{description}</p>
<p><a href="{docs}">Documentation of the API</a></p>
</html>
"""
A_PAGE: dict[str, Any] = {"description": "Successful Response; a page for browsers", "content": {"text/html": {}}}


@router.get("/", response_model=AboutResponse, responses={200: A_PAGE})
async def about(request: Request, response: Response) -> AboutResponse | HTMLResponse:
    """Name and describe the application."""
    if settings.docs and request.headers.get("Accept", "").startswith("text/html"):  # a browser's begins with that
        words = {name: escape(PROJECT[name]) for name in ("name", "version", "description")}
        return HTMLResponse(PAGE.format(docs=f"{settings.api_prefix}/docs", **words), headers={"Vary": "Accept"})
    response.headers["Vary"] = "Accept"
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
