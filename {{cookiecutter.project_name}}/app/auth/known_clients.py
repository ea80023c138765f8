"""Known clients: a network counts as known to an account for 30 days after its last successful login there.

Known clients are exempt from the account's rate limit: attackers elsewhere who use it up don't lock the owner out.
"""

import uuid
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import DateTime, LargeBinary, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from app.auth.clients import Client
from app.auth.expired import expired_rows
from app.core.database import Database
from app.models import KnownClient, User

_DURATION: Final = timedelta(days=30)

_NEW: Final = insert(KnownClient).from_select(
    [KnownClient.user_id, KnownClient.client, KnownClient.expires_at],
    select(User.id, bindparam("client", type_=LargeBinary()), func.now() + _DURATION)
    .where(
        User.id == bindparam("user_id"),
        User.factors_changed_at.is_not_distinct_from(bindparam("factors_changed_at", type_=DateTime(timezone=True))),
    )
    .with_for_update(read=True),  # waits for a concurrent change of the user
)
_REMEMBER: Final = _NEW.on_conflict_do_update(
    index_elements=[KnownClient.user_id, KnownClient.client], set_={"expires_at": _NEW.excluded.expires_at}
).add_cte(expired_rows(KnownClient.expires_at))

# For use in a query for users: whether `client` is known to the user.
IS_KNOWN: Final = (
    select(KnownClient.user_id)
    .where(
        KnownClient.user_id == User.id,
        KnownClient.client == bindparam("client", type_=LargeBinary()),
        KnownClient.expires_at > func.now(),
    )
    .exists()
)


async def remember_client(
    database: Database, user_id: uuid.UUID, factors_changed_at: datetime | None, client: Client
) -> None:
    """Store a client whose login has succeeded, unless the account's factors have changed since."""
    parameters = {"user_id": user_id, "factors_changed_at": factors_changed_at, "client": client.hash}
    await database.execute(_REMEMBER, parameters)
