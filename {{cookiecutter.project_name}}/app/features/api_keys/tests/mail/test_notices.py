"""What owners are told of their API keys."""

from httpx import AsyncClient

from app.features.api_keys.tests.helpers import create, created
from app.features.mail.tests.helpers import Mailbox
from app.models import User


async def test_owners_are_told_when_a_key_comes_or_goes(
    client: AsyncClient, mailbox: Mailbox, default_user: User, default_user_headers: dict[str, str]
) -> None:
    key = await created(client, default_user_headers, name="$name <b>CI</b>")
    await create(client, default_user_headers, scopes=["nonsense"])
    (made,) = await mailbox.collect()
    assert (made["Subject"], made["To"]) == ("An API key was made", default_user.email)
    plain, markup = (str(part.get_content()) for part in made.iter_parts())
    assert "“$name <b>CI</b>”" in plain
    assert "&lt;b&gt;CI&lt;/b&gt;" in markup
    assert key["key"] not in str(made)
    for _ in range(2):  # the second time in vain
        await client.delete(f"/auth/api-keys/{key['id']}", headers=default_user_headers)
    assert await mailbox.subjects() == {"An API key was deleted": default_user.email}
