"""Pets: the example of a resource that belongs to a user."""

import uuid

from fastapi import APIRouter, HTTPException, status
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.api.deps import CurrentUser, DbSession
from app.api.errors import BODY, PET_NOT_FOUND, UNAUTHORIZED, documented, unauthorized
from app.api.pagination import PAGED, PageQuery, paged
from app.core.database import fetch, read
from app.models import Pet
from app.schemas.requests import PetCreateRequest, PetUpdateRequest
from app.schemas.responses import PetResponse

router = APIRouter(responses=UNAUTHORIZED)

_PET = (Pet.pet_name, Pet.id, Pet.user_id)
_CREATE_PET = insert(Pet).returning(*_PET)
_MY_PETS = select(*_PET).where(Pet.user_id == bindparam("user_id"))
_MY_PET = _MY_PETS.where(Pet.id == bindparam("pet_id"))
_RENAME_MY_PET = (
    update(Pet)
    .where(Pet.user_id == bindparam("owner"), Pet.id == bindparam("pet"))
    .values(pet_name=bindparam("name"))
    .returning(*_PET)
)
_PAGE_OF_MY_PETS = paged(_MY_PETS.with_only_columns(Pet.pet_name, Pet.id), Pet.pet_name, Pet.id)

NOT_FOUND = documented(404, PET_NOT_FOUND)


@router.post("/create", status_code=status.HTTP_201_CREATED, responses=BODY)
async def create_new_pet(new_pet: PetCreateRequest, user: CurrentUser) -> PetResponse:
    """Create a pet of the caller's."""
    try:
        (pet,) = await fetch(_CREATE_PET, user_id=user.id, pet_name=new_pet.pet_name)
    except IntegrityError:  # the account was deleted since its token was checked
        raise unauthorized(token_was_sent=True) from None
    return PetResponse.model_validate(pet)


@router.get("/me", responses=PAGED)
async def get_all_my_pets(user: CurrentUser, page: PageQuery) -> list[PetResponse]:
    """List the caller's pets by name, a page at a time."""
    pets = await page.fetch(_PAGE_OF_MY_PETS, user_id=user.id)
    return [PetResponse(id=pet_id, pet_name=pet_name, user_id=user.id) for pet_name, pet_id in pets]


@router.get("/{pet_id:uuid}", responses=NOT_FOUND)
async def read_pet(pet_id: uuid.UUID, user: CurrentUser) -> PetResponse:
    """Read one of the caller's pets."""
    pets = await read(_MY_PET, user_id=user.id, pet_id=pet_id)
    if not pets:  # someone else's pet answers like no pet at all
        raise HTTPException(status.HTTP_404_NOT_FOUND, PET_NOT_FOUND)
    return PetResponse.model_validate(pets[0])


@router.patch("/{pet_id:uuid}", responses=NOT_FOUND | BODY)
async def update_pet(pet_id: uuid.UUID, change: PetUpdateRequest, user: CurrentUser) -> PetResponse:
    """Rename one of the caller's pets."""
    pets = await fetch(_RENAME_MY_PET, owner=user.id, pet=pet_id, name=change.pet_name)
    if not pets:
        raise HTTPException(status.HTTP_404_NOT_FOUND, PET_NOT_FOUND)
    return PetResponse.model_validate(pets[0])


@router.delete("/{pet_id:uuid}", status_code=status.HTTP_204_NO_CONTENT, responses=NOT_FOUND)
async def delete_pet(pet_id: uuid.UUID, user: CurrentUser, session: DbSession) -> None:
    """Delete one of the caller's pets."""
    deleted = await session.scalar(delete(Pet).where(Pet.id == pet_id, Pet.user_id == user.id).returning(Pet.id))
    if deleted is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, PET_NOT_FOUND)
    await session.commit()
