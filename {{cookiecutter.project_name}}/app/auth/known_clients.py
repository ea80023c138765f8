"""Known clients: an IP counts as known to an account for 30 days after its last successful login there.

So guessers elsewhere, who use up the account's rate limit, lock nobody out of where they usually are.
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
    .with_for_update(read=True, key_share=True),  # the account may be deleted at this moment
)
_REMEMBER: Final = _NEW.on_conflict_do_update(
    index_elements=[KnownClient.user_id, KnownClient.client], set_={"expires_at": _NEW.excluded.expires_at}
).add_cte(RESET.cte("reset"), expired_rows(KnownClient.expires_at))

# Part of a query for users: whether `client` is known to this one.
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
    """What is stored of a client's network: enough to recognise it, not to read it."""
    key = derive_key(settings.secret_keys[0], "clients")  # a new SECRET_KEY makes all clients unknown
    return hmac.digest(key, network_of(client_ip).encode(), sha256)


async def remember_client(database: Database, user_id: uuid.UUID, client_ip: str, *reset: Limit) -> None:
    """Note a client that has the account's password, and reset these limits of its own."""
    parameters = {"user_id": user_id, "client": client_hash(client_ip), "reset_keys": [limit.key for limit in reset]}
    await database.execute(_REMEMBER, parameters)
