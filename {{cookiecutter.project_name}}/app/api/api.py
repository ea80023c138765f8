"""Which router hangs where."""

from fastapi import APIRouter

from app.api.endpoints import auth, docs, health, pets, users
from app.api.errors import UNAVAILABLE

api_router = APIRouter()
api_router.include_router(auth.router, prefix="/auth", tags=["auth"], responses=UNAVAILABLE)
api_router.include_router(users.router, prefix="/users", tags=["users"], responses=UNAVAILABLE)
api_router.include_router(pets.router, prefix="/pets", tags=["pets"], responses=UNAVAILABLE)
api_router.include_router(health.router, tags=["health"])
api_router.include_router(docs.router)
