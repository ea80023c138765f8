"""Pets: the example of a resource that belongs to a user."""

import uuid
from typing import Annotated

from fastapi import APIRouter, HTTPException, Security, status
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from app.api.deps import Autocommit, DbSession, get_current_user
from app.api.errors import BODY, NEEDS_SCOPE, documented, unauthorized
from app.api.pagination import PAGED, PageQuery
from app.auth.caller import Caller
from app.auth.scopes import SCOPES
from app.models import Pet
from app.schemas.pets import PetCreateRequest, PetResponse, PetUpdateRequest

router = APIRouter(responses=NEEDS_SCOPE)

SCOPES.update({"pets:read": "Read pets", "pets:write": "Create, change and delete pets"})
PetReader = Annotated[Caller, Security(get_current_user, scopes=["pets:read"])]
PetWriter = Annotated[Caller, Security(get_current_user, scopes=["pets:write"])]

PET_NOT_FOUND = "Pet not found"
NOT_FOUND = documented(404, PET_NOT_FOUND)


@router.post("/create", status_code=status.HTTP_201_CREATED, responses=BODY)
async def create_new_pet(new_pet: PetCreateRequest, user: PetWriter, autocommit: Autocommit) -> PetResponse:
    """Create a pet for the caller."""
    pet = Pet(user.id, new_pet.pet_name)
    try:
        await autocommit.insert(pet)
    except IntegrityError:  # the account was deleted after its token was checked
        raise unauthorized(token_was_sent=True) from None
    return PetResponse.model_validate(pet)


@router.get("/me", responses=PAGED)
async def get_all_my_pets(user: PetReader, page: PageQuery) -> list[PetResponse]:
    """List the caller's pets by name, a page at a time."""
    my_pets = select(Pet.id, Pet.pet_name).where(Pet.user_id == user.id)
    pets = await page.fetch(my_pets, Pet.pet_name, Pet.id)
    return [PetResponse(id=pet_id, pet_name=pet_name, user_id=user.id) for pet_id, pet_name in pets]


@router.get("/{pet_id:uuid}", responses=NOT_FOUND)
async def read_pet(pet_id: uuid.UUID, user: PetReader, autocommit: Autocommit) -> PetResponse:
    """Read one of the caller's pets."""
    my_pet = select(Pet.id, Pet.pet_name, Pet.user_id).where(Pet.id == pet_id, Pet.user_id == user.id)
    pet = await autocommit.fetch_one(my_pet)
    if pet is None:  # it doesn't exist or is someone else's: clients can't tell
        raise HTTPException(status.HTTP_404_NOT_FOUND, PET_NOT_FOUND)
    return PetResponse.model_validate(pet)


@router.patch("/{pet_id:uuid}", responses=NOT_FOUND | BODY)
async def update_pet(pet_id: uuid.UUID, change: PetUpdateRequest, user: PetWriter, session: DbSession) -> PetResponse:
    """Rename one of the caller's pets."""
    my_pet = select(Pet).where(Pet.id == pet_id, Pet.user_id == user.id)
    pet = await session.scalar(my_pet.with_for_update())  # otherwise another request could delete it meanwhile
    if pet is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, PET_NOT_FOUND)
    pet.pet_name = change.pet_name
    await session.commit()
    return PetResponse.model_validate(pet)


@router.delete("/{pet_id:uuid}", status_code=status.HTTP_204_NO_CONTENT, responses=NOT_FOUND)
async def delete_pet(pet_id: uuid.UUID, user: PetWriter, autocommit: Autocommit) -> None:
    """Delete one of the caller's pets."""
    deleted = await autocommit.execute(delete(Pet).where(Pet.id == pet_id, Pet.user_id == user.id))
    if not deleted:
        raise HTTPException(status.HTTP_404_NOT_FOUND, PET_NOT_FOUND)
