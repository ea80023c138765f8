"""Requests and responses of the routes for pets."""

from typing import Annotated

from pydantic import Field, StringConstraints

from app.models import PET_NAME_MAX_LENGTH
from app.schemas.requests import WITHOUT_NUL, JsonRequest
from app.schemas.responses import Id, Response

PetName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=PET_NAME_MAX_LENGTH, pattern=WITHOUT_NUL),
    Field(examples=["Rex"]),
]


class PetCreateRequest(JsonRequest):
    pet_name: PetName


class PetUpdateRequest(JsonRequest):
    pet_name: PetName


class PetResponse(Response):
    id: Id
    pet_name: Annotated[str, Field(examples=["Rex"])]
    user_id: Id
