"""Logging in: the password under rate limits, in the same time whatever the outcome; then each login step."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from sqlalchemy import bindparam, update

from app.auth.accounts import Account, find_account_by_email
from app.auth.audit import audit
from app.auth.clients import Client
from app.auth.known_clients import remember_client
from app.auth.password_queue import password_queue
from app.auth.rate_limits import Limit, RateLimitedError, hit, limits_of_client, reset
from app.auth.sessions import Tokens, begin_session
from app.core.database import Database
from app.core.passwords import check_password, hash_password
from app.models import User

# Gets the account, the client and the login method; raises to stop the login, which ends without a session.
LoginStep = Callable[[Database, Account, Client, str], Awaitable[None]]

login_steps: Final[list[LoginStep]] = []  # features add theirs

# Login methods that are better than a password alone. Features add theirs; any other method is as weak as a password.
strong_methods: Final[set[str]] = set()

# Whether a login treats an account as if it didn't exist, even with the right password.
HiddenAccounts = Callable[[Account], bool]

hidden_accounts: Final[list[HiddenAccounts]] = []  # features add theirs

_RENEW_HASH: Final = (
    update(User)
    .where(User.id == bindparam("account"), User.hashed_password == bindparam("old"))
    .values(hashed_password=bindparam("new"))
)


async def admit_registration(database: Database, client: Client) -> None:
    """Count a registration. Raises RateLimitedError and PasswordQueueFullError."""
    password_queue.check_for_room(client.wider_network)
    await hit(database, limits_of_client("registration", client, 100, timedelta(seconds=10)))


async def hash_new_password(password: str, client: Client) -> str:
    """Hash a password when it is this client's turn. Raises RateLimitedError and PasswordQueueFullError."""
    async with password_queue.turn(client.wider_network):
        return await hash_password(password)


async def authenticate(database: Database, email: str, password: str, client: Client) -> Account | None:
    """The active user with this email address and password; None for any other combination.

    Every attempt counts, whether or not the account exists and the password is right, towards three limits: per client
    and account (guessing), per client (spraying) and per account (guessing from many clients). The limit per account
    would let anybody lock anybody out, so clients that are known to the account are exempt from it.
    Raises RateLimitedError and PasswordQueueFullError.
    """
    subjects = client.wider_network, email
    password_queue.check_for_room(*subjects)
    account = await find_account_by_email(database, email, client)
    user_id = account.id if account else None
    is_hidden = account is not None and any(hides(account) for hides in hidden_accounts)

    limits = [_own_limit(email, client), *limits_of_client("login from client", client, 600, timedelta(seconds=2))]
    if account is None or is_hidden or not account.knows_client:
        limits.append(Limit("login to account", email, 30, timedelta(seconds=30)))
    try:
        await hit(database, limits)
        async with password_queue.turn(*subjects):
            check = await check_password(password, account.hashed_password if account else None)
    except RateLimitedError:
        audit("login_throttled", client, user_id)
        raise
    if account is None or not check.is_correct:
        audit("login_failed", client, user_id)
        return None
    if is_hidden:
        audit("password_accepted", client, user_id)
        return None
    if check.renewed_hash:
        renewal = {"account": account.id, "old": account.hashed_password, "new": check.renewed_hash}
        await database.execute(_RENEW_HASH, renewal)
    return account


async def finish_login(database: Database, account: Account, client: Client, method: str) -> Tokens | None:
    """Begin a session for somebody who has shown that the account is theirs, unless a login step refuses.

    None if the account has changed since it was looked up. The client becomes known to the account, and its attempts
    there start anew. The account's own limit is not reset: others would notice, and learn that the account exists.
    Raises what the login steps raise.
    """
    tokens = None
    try:
        for step in login_steps:
            await step(database, account, client, method)
        tokens = await begin_session(database, account, client, method)
    finally:
        if tokens is None and method == "password":
            audit("password_accepted", client, account.id)
    if tokens is not None:
        await remember_client(database, account.id, account.factors_changed_at, client)
        await forget_attempts(database, account, client)
        audit("login_succeeded", client, account.id)
    return tokens


async def forget_attempts(database: Database, account: Account, client: Client) -> None:
    """Start a client's attempts at an account's password anew, after one that was right."""
    await reset(database, _own_limit(account.email.lower(), client))


def _own_limit(email: str, client: Client) -> Limit:
    return Limit("login to account from client", f"{email}\0{client.network}", 10, timedelta(minutes=1))
