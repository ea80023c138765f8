"""What owners are told of their API keys."""

from httpx import AsyncClient

from app.features.api_keys.tests.helpers import create, created
from app.features.mail.tests.helpers import Mailbox, text_of
from app.models import User


async def test_owners_are_told_when_a_key_comes_or_goes(
    client: AsyncClient, mailbox: Mailbox, default_user: User, default_user_headers: dict[str, str]
) -> None:
    key = await created(client, default_user_headers)
    await create(client, default_user_headers, scopes=["nonsense"])
    (made,) = await mailbox.collect()
    assert (made["Subject"], made["To"]) == ("An API key was made", default_user.email)
    assert key["key"] not in str(made)
    for _ in range(2):  # the second time in vain
        await client.delete(f"/auth/api-keys/{key['id']}", headers=default_user_headers)
    assert await mailbox.subjects() == {"An API key was deleted": default_user.email}


async def test_nobody_floods_a_mailbox_or_writes_to_it_by_the_names_of_keys(
    client: AsyncClient, mailbox: Mailbox, default_user_headers: dict[str, str]
) -> None:
    """Anybody can register with an address of somebody else's."""
    for number in range(5):
        key = await created(client, default_user_headers, name=f"You won: https://example.net/{number}")
        await client.delete(f"/auth/api-keys/{key['id']}", headers=default_user_headers)
    emails = await mailbox.collect()
    assert sorted(email["Subject"] for email in emails) == [
        *["An API key was deleted"] * 3,
        *["An API key was made"] * 3,
    ]
    assert "You won" not in "".join(map(text_of, emails))
