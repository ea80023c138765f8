"""Proof, beyond the access token, that a request comes from the account's owner."""

import uuid

from fastapi import HTTPException, status

from app.api.errors import INCORRECT_PASSWORD, INVALID_CODE, SECOND_FACTOR_REQUIRED
from app.api.oauth import OAuthError
from app.auth.caller import Caller
from app.auth.login import Account, authenticate
from app.auth.second_factor import check_code, has_second_factor
from app.core.database import Database


async def prove_password(database: Database, user: Caller, password: str, client_ip: str) -> Account:
    """The caller's account, if this is its password. Raises the 400, RateLimitedError and PasswordQueueFullError."""
    account = await authenticate(database, user.email, password, client_ip)
    if account is None or account.id != user.id:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, INCORRECT_PASSWORD)
    return account


async def prove_second_factor(database: Database, user_id: uuid.UUID, code: str | None, client_ip: str) -> None:
    """Use the code of an account that has a second factor; others need none.

    Raises the 403 without a code, the 400 for a wrong one, and RateLimitedError.
    """
    if not await has_second_factor(database, user_id):
        return
    if code is None:
        raise OAuthError("mfa_required", SECOND_FACTOR_REQUIRED, status.HTTP_403_FORBIDDEN)
    if await check_code(database, user_id, code, client_ip) is None:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, INVALID_CODE)
