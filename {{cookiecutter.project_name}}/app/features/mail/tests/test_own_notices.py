"""A notice of the project's own: a text, and a call."""

from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.notices import notify
from app.features.mail import messages
from app.features.mail.models import OutgoingMail
from app.features.mail.tests.helpers import Mailbox, text_of
from app.models import User

ORDER_SHIPPED = """Subject: Your order $order has shipped

Order $order has left our house on $when. It holds: $items

Thank you for buying from $project.
"""


@pytest.fixture(autouse=True)
def order_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if this were app/features/mail/templates/order_shipped.txt."""
    path = tmp_path / "order_shipped.txt"
    path.write_text(ORDER_SHIPPED)
    paths = messages.text_paths()
    monkeypatch.setattr(messages, "text_paths", lambda: paths | {path.stem: path})
    messages._template.cache_clear()
    yield
    messages._template.cache_clear()


async def sent(session: AsyncSession, mailbox: Mailbox, user: User, **data: Any) -> list[EmailMessage]:
    notify(session, "order_shipped", user.email, user.id, **data)
    await session.commit()
    return await mailbox.collect()


def html_of(email: EmailMessage) -> str:
    part = email.get_body(("html",))
    assert part is not None
    return str(part.get_content())


async def test_its_text_says_what_the_call_says(session: AsyncSession, mailbox: Mailbox, default_user: User) -> None:
    (email,) = await sent(session, mailbox, default_user, order=12, items="tea & <b>scones</b> for $5")
    assert (email["Subject"], email["To"]) == ("Your order 12 has shipped", default_user.email)
    assert "tea & <b>scones</b> for $5" in " ".join(text_of(email).split())
    page = " ".join(html_of(email).split())
    assert "tea &amp; &lt;b&gt;scones&lt;/b&gt; for $5" in page
    assert "<h1" in page
    assert "Your order 12 has shipped</h1>" in page


@pytest.mark.parametrize(
    "order", ["12\0", "12\r\nBcc: all@example.com", "1\u20282\x85\x1b", "12\ud800", "<i>12</i>\n\n$action", "żółw 🐢"]
)
async def test_what_it_says_does_no_harm(
    session: AsyncSession, mailbox: Mailbox, default_user: User, order: str
) -> None:
    (email,) = await sent(session, mailbox, default_user, order=order, items=order)
    assert str(email["Subject"]).startswith("Your order ")
    assert email["Bcc"] is None
    assert len(email["To"].addresses) == 1
    assert "<i>" not in html_of(email)
    assert "<pre" not in html_of(email), "the text alone says where an action goes"


async def test_a_name_that_is_missing_ends_that_email_alone(
    session: AsyncSession, mailbox: Mailbox, default_user: User
) -> None:
    assert await sent(session, mailbox, default_user, order=12) == []
    dead = (await session.scalars(select(OutgoingMail))).one()
    assert (dead.due_at, dead.failure) == (None, "KeyError")
    assert len(await sent(session, mailbox, default_user, order=12, items="tea")) == 1


async def test_each_order_has_its_email_and_none_is_sent_over_and_over(
    session: AsyncSession, mailbox: Mailbox, default_user: User
) -> None:
    for order in [1, 2, 3, 4, 5, 5, 5, 5, 5]:
        notify(session, "order_shipped", default_user.email, default_user.id, order=order, items="tea")
        notify(session, "order_shipped", default_user.email, order=order, items="cakes")  # to whoever has the address
    await session.commit()
    subjects = [email["Subject"] for email in await mailbox.collect()]
    assert sorted(subjects) == sorted(f"Your order {order} has shipped" for order in [1, 2, 3, 4, 5, 5, 5] * 2)
