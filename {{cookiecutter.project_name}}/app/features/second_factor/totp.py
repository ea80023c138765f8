"""Codes of an authenticator app (TOTP, RFC 6238), and recovery codes for when the app is lost.

The app's secret is encrypted with a key derived from SECRET_KEY, so a dump of the database is of no use. Recovery codes
have 80 random bits each, too many to guess from a plain hash; so they need no key, and survive a new SECRET_KEY.
"""

import hashlib
import logging
import os
import secrets
import time
import uuid
from datetime import timedelta
from typing import Final, Literal

import pyotp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.accounts import Account
from app.auth.audit import audit
from app.auth.clients import Client
from app.auth.notices import notify
from app.auth.rate_limits import Limit, RateLimitedError, hit, limits_of_client, return_attempt
from app.core.config import PROJECT, settings
from app.core.database import Database
from app.core.security import derive_key
from app.features.second_factor.models import RecoveryCode, TotpSecret

logger = logging.getLogger("app.second_factor")

Purpose = Literal["login", "re-authentication", "confirmation"]  # what a code is sent for
LoginMethod = Literal["totp", "recovery_code"]


def new_totp_secret(user_id: uuid.UUID, email: str) -> tuple[bytes, str, str]:
    """A new secret, encrypted; in base32, for people; and as the URI that apps read from a QR code."""
    secret = pyotp.random_base32()  # 160 bits, as RFC 4226 section 4 recommends
    uri = pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=str(PROJECT["name"]))
    return _encrypt(secret, user_id), secret, uri


_STEP: Final = 30  # seconds that a code is shown for; RFC 6238 section 5.2 allows one more for delays and clocks


def matching_step(user_id: uuid.UUID, encrypted: bytes, code: str) -> int | None:
    """The time step of a code: the present one, the one before or the one after; None if it fits none of them."""
    secret = _decrypt(encrypted, user_id)
    if secret is None:
        return None
    now, totp = int(time.time()) // _STEP, pyotp.TOTP(secret)
    steps = [step for step in (now, now - 1, now + 1) if secrets.compare_digest(totp.generate_otp(step), code)]
    return steps[0] if steps else None


_RECOVERY_CODES: Final = 10


async def replace_recovery_codes(session: AsyncSession, user_id: uuid.UUID) -> list[str]:
    """Ten new codes, which replace all older ones; only their hashes are stored."""
    codes = [pyotp.random_base32() for _ in range(_RECOVERY_CODES)]
    codes = ["-".join(code[i : i + 4] for i in range(0, 16, 4)) for code in codes]  # 80 bits
    await session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    await session.execute(
        insert(RecoveryCode), [{"user_id": user_id, "code": _hash(normalized(code))} for code in codes]
    )
    return codes


async def has_second_factor(database: Database, user_id: uuid.UUID) -> bool:
    return await _confirmed_secret(database, user_id) is not None


async def check_code(
    database: Database, purpose: Purpose, account: Account, code: str, client: Client
) -> LoginMethod | None:
    """Use a code of an account's app or a recovery code; of parallel uses one succeeds. None if it is wrong or spent.

    Each wrong code spends an attempt. When none is left, raises RateLimitedError, after telling the owner.
    """
    encrypted = await _confirmed_secret(database, account.id)
    if encrypted is None:
        return None
    try:
        attempt = await spend_attempt(database, purpose, account, client)
    except RateLimitedError:
        audit("login_throttled", client, account.id)
        await _tell_owner(database, account)
        raise
    method = await _use(database, account.id, encrypted, normalized(code))
    if method is None:
        audit("second_factor_failed", client, account.id)
        return None
    await return_attempt(database, attempt)
    if method == "recovery_code":
        audit("recovery_code_used", client, account.id)
    return method


async def spend_attempt(database: Database, purpose: Purpose, account: Account, client: Client) -> Limit:
    """Take an attempt; the caller returns it if the code is right. Raises RateLimitedError.

    From however many clients, an account has 20 for each purpose in the first hour, then 10 an hour: half of them for
    clients from which the owner has logged in, so that nobody else can use these up. Nor can a stolen access token use
    up the attempts of logins.
    """
    clients = "known" if account.knows_client else "unknown"
    attempt = Limit(f"second factor: {purpose} from {clients} client", str(account.id), 5, timedelta(minutes=12))
    await hit(database, [attempt, *limits_of_client("second factor", client, 60, timedelta(minutes=1))])
    return attempt


def normalized(code: str) -> str:
    """The code without what people add to read it."""
    return code.replace(" ", "").replace("-", "").upper()


async def _confirmed_secret(database: Database, user_id: uuid.UUID) -> bytes | None:
    confirmed = select(TotpSecret.encrypted).where(TotpSecret.user_id == user_id, TotpSecret.confirmed_at.is_not(None))
    row = await database.fetch_one(confirmed)
    return row.encrypted if row else None


async def _use(database: Database, user_id: uuid.UUID, encrypted: bytes, code: str) -> LoginMethod | None:
    if not code.isdecimal():
        spend = delete(RecoveryCode).where(RecoveryCode.user_id == user_id, RecoveryCode.code == _hash(code))
        return "recovery_code" if await database.execute(spend) else None
    step = matching_step(user_id, encrypted, code)
    if step is None:
        return None
    spend_step = (
        update(TotpSecret)
        # Not if the secret has been replaced meanwhile.
        .where(TotpSecret.user_id == user_id, TotpSecret.encrypted == encrypted, TotpSecret.last_step < step)
        .values(last_step=step, encrypted=_renewed(encrypted, user_id))
    )
    return "totp" if await database.execute(spend_step) else None


async def _tell_owner(database: Database, account: Account) -> None:
    """Tell the owner that somebody guesses codes, at most once an hour."""
    try:
        await hit(database, [Limit("second factor notice", str(account.id), 1, timedelta(hours=1))])
    except RateLimitedError:
        return
    async with database.session() as session:
        notify(session, "second_factor_guessed", account.email, account.id)
        await session.commit()


def _encrypt(secret: str, user_id: uuid.UUID) -> bytes:
    """AES-GCM, bound to the account: one account's secret is of no use in another's row."""
    nonce = os.urandom(12)
    return nonce + _cipher(settings.secret_keys[0]).encrypt(nonce, secret.encode(), user_id.bytes)


def _decrypt(encrypted: bytes, user_id: uuid.UUID) -> str | None:
    for key in settings.secret_keys:
        try:
            return _cipher(key).decrypt(encrypted[:12], encrypted[12:], user_id.bytes).decode()
        except InvalidTag:
            continue
    logger.warning("The key of a TOTP secret is no longer among SECRET_KEY_FALLBACKS: its owner needs a recovery code")
    return None


def _renewed(encrypted: bytes, user_id: uuid.UUID) -> bytes:
    """The same secret under the present SECRET_KEY; unchanged if that encrypted it."""
    try:
        _cipher(settings.secret_keys[0]).decrypt(encrypted[:12], encrypted[12:], user_id.bytes)
    except InvalidTag:
        return _encrypt(_decrypt(encrypted, user_id) or "", user_id)
    return encrypted


def _cipher(secret_key: str) -> AESGCM:
    return AESGCM(derive_key(secret_key, "TOTP secrets"))


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
