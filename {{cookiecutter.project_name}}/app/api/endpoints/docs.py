"""The documentation page. Its script and style are served from here, so browsers contact no other host."""

import base64
import hashlib
import re

from fastapi import APIRouter, HTTPException, status
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from app.core.config import PROJECT, settings

router = APIRouter(include_in_schema=False)
assets = StaticFiles(packages=[("fastapi_offline", "static")])  # only the files of that package are used

# What Swagger UI's dialog has for other authorization servers: clients of this one have no secret, and no scopes.
STYLE = """<style>
.auth-container .scope-def, .auth-container .flow, .auth-container .wrapper:has(> label[for="password_type"]),
.auth-container .wrapper:has(> label[for^="client_"]) { display: none }
</style>"""


@router.get("/docs")
async def read_documentation() -> HTMLResponse:
    page = get_swagger_ui_html(
        title=PROJECT["name"],
        openapi_url="openapi.json",
        swagger_js_url="docs-assets/swagger-ui-bundle.js",
        swagger_css_url="docs-assets/swagger-ui.css",
        swagger_favicon_url="docs-assets/favicon.png",
        swagger_ui_parameters={"docExpansion": "none", "defaultModelsExpandDepth": 0},
    )
    page = HTMLResponse(bytes(page.body).decode().replace("</head>", f"{STYLE}</head>"))
    # The hash allows the inline script that starts Swagger UI; Swagger UI itself needs inline styles.
    (script,) = re.findall(rb"<script>(.*?)</script>", bytes(page.body), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    page.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"
    )
    return page


@router.get("/redoc")
async def read_redoc() -> None:
    """FastAPI's other page, which newcomers look for, needs a CDN."""
    raise HTTPException(status.HTTP_404_NOT_FOUND, f"The documentation is at {settings.api_prefix}/docs")
