"""`/pets`: the example of a resource that belongs to a user."""

import asyncio
import uuid

import pytest
from httpx import AsyncClient
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.main import app
from app.models import Pet, User
from app.tests.helpers import Json, bearer, begin, waiting_for_locks, walk


async def create_pet(client: AsyncClient, headers: dict[str, str], pet_name: str = "Rex") -> Json:
    response = await client.post("/pets/create", json={"pet_name": pet_name}, headers=headers)
    assert response.status_code == 201, response.text
    pet: Json = response.json()
    return pet


async def test_a_created_pet_belongs_to_its_creator(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str]
) -> None:
    pet = await create_pet(client, default_user_headers)
    assert pet == {"id": pet["id"], "pet_name": "Rex", "user_id": str(default_user.id)}
    response = await client.get(f"/pets/{pet['id']}", headers=default_user_headers)
    assert (response.status_code, response.json()) == (200, pet)


async def test_nobody_creates_a_pet_for_somebody_else(
    client: AsyncClient, default_user_headers: dict[str, str], other_user: User
) -> None:
    body = {"pet_name": "Rex", "user_id": str(other_user.id)}
    assert (await client.post("/pets/create", json=body, headers=default_user_headers)).status_code == 422


async def test_any_text_of_1_to_50_characters_is_a_name(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    for pet_name in ("x", "x" * 50, "🐶" * 50, " ", "Róża", "'; DROP TABLE pets --", "\n"):
        pet = await create_pet(client, default_user_headers, pet_name)
        body = {"pet_name": pet_name[::-1]}
        renamed = await client.patch(f"/pets/{pet['id']}", json=body, headers=default_user_headers)
        assert (pet["pet_name"], renamed.json()["pet_name"]) == (pet_name, pet_name[::-1])


async def test_invalid_names_are_refused(client: AsyncClient, default_user_headers: dict[str, str]) -> None:
    pet = await create_pet(client, default_user_headers)
    names: list[object] = ["", "x" * 51, "nul\0", "\0", None, 1, True, ["Rex"], {}]
    for pet_name in names:
        for method, path in (("POST", "/pets/create"), ("PATCH", f"/pets/{pet['id']}")):
            body = {"pet_name": pet_name}
            response = await client.request(method, path, json=body, headers=default_user_headers)
            assert response.status_code == 422, pet_name


async def test_a_pet_can_be_renamed(client: AsyncClient, default_user_headers: dict[str, str]) -> None:
    pet = await create_pet(client, default_user_headers)
    response = await client.patch(f"/pets/{pet['id']}", json={"pet_name": "Zoe"}, headers=default_user_headers)
    assert (response.status_code, response.json()) == (200, pet | {"pet_name": "Zoe"})
    assert (await client.get(f"/pets/{pet['id']}", headers=default_user_headers)).json() == pet | {"pet_name": "Zoe"}


async def test_a_deleted_pet_is_gone(client: AsyncClient, default_user_headers: dict[str, str]) -> None:
    pet = await create_pet(client, default_user_headers)
    assert (await client.delete(f"/pets/{pet['id']}", headers=default_user_headers)).status_code == 204
    assert (await client.delete(f"/pets/{pet['id']}", headers=default_user_headers)).status_code == 404
    assert (await client.get("/pets/me", headers=default_user_headers)).json() == []


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {"pet_name": "Mine"}), ("DELETE", None)])
async def test_someone_elses_pet_is_a_404_like_a_missing_one(
    client: AsyncClient, default_user_headers: dict[str, str], other_user: User, method: str, body: Json | None
) -> None:
    others = bearer(await begin(other_user))
    pet = await create_pet(client, others)
    responses = [
        await client.request(method, f"/pets/{pet_id}", json=body, headers=default_user_headers)
        for pet_id in (pet["id"], uuid.uuid4())
    ]
    for response in responses:
        assert (response.status_code, response.json()) == (404, {"detail": "Pet not found"})
    assert (await client.get(f"/pets/{pet['id']}", headers=others)).json() == pet


async def test_even_superusers_see_only_their_own_pets(
    client: AsyncClient, default_user_headers: dict[str, str], superuser_headers: dict[str, str]
) -> None:
    pet = await create_pet(client, default_user_headers)
    assert (await client.get(f"/pets/{pet['id']}", headers=superuser_headers)).status_code == 404


async def test_pets_are_deleted_with_their_owner(
    client: AsyncClient, session: AsyncSession, default_user_headers: dict[str, str], other_user: User
) -> None:
    others = bearer(await begin(other_user))
    await create_pet(client, default_user_headers)
    pet = await create_pet(client, others)
    assert (await client.delete("/users/me", headers=default_user_headers)).status_code == 204
    assert [str(pet_id) for pet_id in await session.scalars(select(Pet.id))] == [pet["id"]]


async def test_my_pets_are_paged_by_name_then_id(
    client: AsyncClient,
    session: AsyncSession,
    default_user: User,
    other_user: User,
    default_user_headers: dict[str, str],
) -> None:
    names = ["Ada", "Rex", "Rex", "Rex", "Zoe", "a", "z", "Ç", "ż", "🐶"]  # by code point, as "C.UTF-8" sorts
    session.add_all(Pet(user.id, name) for user in (default_user, other_user) for name in reversed(names))
    await session.commit()
    for limit in (1, 3, 9, 10):
        pages = await walk(client, f"/pets/me?limit={limit}", default_user_headers)
        rows = [(pet["pet_name"], pet["id"]) for page in pages for pet in page]
        assert [name for name, _ in rows] == names
        assert rows == sorted(rows, key=lambda row: (names.index(row[0]), row[1]))
        assert all(len(page) == limit for page in pages[:-1])


async def test_deleting_a_pet_while_it_is_renamed_causes_no_500(
    client: AsyncClient, default_user_headers: dict[str, str]
) -> None:
    for _ in range(5):
        path = f"/pets/{(await create_pet(client, default_user_headers))['id']}"
        rename = (client.patch(path, json={"pet_name": "Zoe"}, headers=default_user_headers) for _ in range(8))
        responses = await asyncio.gather(*rename, client.delete(path, headers=default_user_headers))
        assert {response.status_code for response in responses} <= {200, 204, 404}


async def test_creating_a_pet_while_the_account_is_deleted_is_a_401(
    client: AsyncClient, session: AsyncSession, default_user: User
) -> None:
    tokens = await begin(default_user)
    await session.execute(delete(User).where(User.id == default_user.id))  # not committed yet
    creating = asyncio.create_task(client.post("/pets/create", json={"pet_name": "Rex"}, headers=bearer(tokens)))
    await waiting_for_locks(1)
    await session.commit()
    assert (await creating).status_code == 401


def test_the_specification_says_which_scope_each_route_needs() -> None:
    needed = {
        operation["operationId"]: [scope for scheme in operation["security"] for scope in next(iter(scheme.values()))]
        for path, operations in app.openapi()["paths"].items()
        for operation in operations.values()
        if "/pets" in path
    }
    assert needed == {
        "create_new_pet": ["pets:write"],
        "get_all_my_pets": ["pets:read"],
        "read_pet": ["pets:read"],
        "update_pet": ["pets:write"],
        "delete_pet": ["pets:write"],
    }
