"""Known clients: an IP counts as known to an account for 30 days after its last successful login there.

Known clients are exempt from the account's rate limit: attackers elsewhere who use it up don't lock the owner out.
"""

import hmac
import uuid
from datetime import timedelta
from hashlib import sha256
from typing import Final

from sqlalchemy import LargeBinary, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from app.auth.expired import expired_rows
from app.auth.networks import network_of
from app.auth.rate_limits import RESET, Limit
from app.core.config import settings
from app.core.database import Database
from app.core.security import derive_key
from app.models import KnownClient, User

_DURATION: Final = timedelta(days=30)

_NEW: Final = insert(KnownClient).from_select(
    [KnownClient.user_id, KnownClient.client, KnownClient.expires_at],
    select(User.id, bindparam("client", type_=LargeBinary()), func.now() + _DURATION)
    .where(User.id == bindparam("user_id"))
    .with_for_update(read=True, key_share=True),  # another request may be deleting the account
)
_REMEMBER: Final = _NEW.on_conflict_do_update(
    index_elements=[KnownClient.user_id, KnownClient.client], set_={"expires_at": _NEW.excluded.expires_at}
).add_cte(RESET.cte("reset"), expired_rows(KnownClient.expires_at))

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


def client_hash(client_ip: str) -> bytes:
    """What the database stores of a client's network: enough to recognise it, not to read it."""
    key = derive_key(settings.secret_keys[0], "clients")  # a new SECRET_KEY makes all clients unknown
    return hmac.digest(key, network_of(client_ip).encode(), sha256)


async def remember_client(database: Database, user_id: uuid.UUID, client_ip: str, *reset: Limit) -> None:
    """Store a client that has the account's password, and reset these rate limits of the client."""
    parameters = {"user_id": user_id, "client": client_hash(client_ip), "reset_keys": [limit.key for limit in reset]}
    await database.execute(_REMEMBER, parameters)
