"""A role: a column, a dependency, and a superuser who gives it."""

from httpx import AsyncClient

from app.models import User


async def test_an_editor_is_made_by_a_superuser_and_counts_at_once(
    client: AsyncClient, default_user: User, default_user_headers: dict[str, str], superuser_headers: dict[str, str]
) -> None:
    for is_editor in (False, True, False):
        changed = await client.patch(
            f"/users/{default_user.id}", json={"is_editor": is_editor}, headers=superuser_headers
        )
        assert changed.json()["is_editor"] is is_editor
        response = await client.get("/users/newest", headers=default_user_headers)
        assert response.status_code == (200 if is_editor else 403)
    assert (await client.get("/users/newest")).status_code == 401
