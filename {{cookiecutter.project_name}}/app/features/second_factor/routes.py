"""The second factor of an account: set up, read, renewed and removed by its owner."""

import uuid

from fastapi import APIRouter, HTTPException, status
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.deps import (
    AccountHolder,
    Autocommit,
    CurrentClient,
    CurrentSuperuser,
    DbSession,
    RecentLogin,
    lock_recent_owner,
)
from app.api.errors import (
    FORBIDDEN,
    NEEDS_SCOPE,
    NO_RECENT_LOGIN,
    RATE_LIMITED,
    USER_NOT_FOUND,
    body_refused,
    documented,
    unauthorized,
)
from app.auth.accounts import find_account
from app.auth.audit import audit
from app.auth.caller import Caller
from app.auth.credentials import note_change_of_factors, take_away_credentials
from app.auth.known_clients import remember_client
from app.auth.notices import notify
from app.auth.rate_limits import return_attempt
from app.features.second_factor.login import INCORRECT_CODE
from app.features.second_factor.models import RecoveryCode, TotpSecret
from app.features.second_factor.schemas import (
    CodeRequest,
    RecoveryCodesResponse,
    SecondFactorResponse,
    TotpSetupResponse,
)
from app.features.second_factor.totp import (
    has_second_factor,
    matching_step,
    new_totp_secret,
    normalized,
    replace_recovery_codes,
    spend_attempt,
)
from app.models import KnownClient, LoginSession, User

router = APIRouter(responses=NO_RECENT_LOGIN)
users_router = APIRouter()

OWN_SECOND_FACTOR = "Remove your own by DELETE /auth/totp"
ALREADY_SET_UP = "A second factor is set up already"
NOT_SET_UP = "No second factor is set up"

ALREADY = documented(409, ALREADY_SET_UP)
MISSING = documented(404, NOT_SET_UP)


@router.get("/second-factor", responses=NEEDS_SCOPE)
async def read_my_second_factor(user: AccountHolder, autocommit: Autocommit) -> SecondFactorResponse:
    """Read whether the caller has a second factor."""
    totp = await has_second_factor(autocommit, user.id)
    codes = await autocommit.fetch_all(select(RecoveryCode.code).where(RecoveryCode.user_id == user.id))
    return SecondFactorResponse(totp=totp, recovery_codes_left=len(codes))


@router.post("/totp", responses=ALREADY)
async def set_up_totp(user: RecentLogin, autocommit: Autocommit) -> TotpSetupResponse:
    """Get a secret for an authenticator app. It takes effect once confirmed; until then, asking again replaces it."""
    encrypted, secret, otpauth_uri = new_totp_secret(user.id, user.email)
    new = insert(TotpSecret).values(user_id=user.id, encrypted=encrypted)
    replacing = new.on_conflict_do_update(
        index_elements=[TotpSecret.user_id],
        set_={"encrypted": new.excluded.encrypted},
        where=TotpSecret.confirmed_at.is_(None),
    )
    try:
        stored = await autocommit.execute(replacing)
    except IntegrityError:  # the account was deleted after its token was checked
        raise unauthorized(token_was_sent=True) from None
    if not stored:
        raise HTTPException(status.HTTP_409_CONFLICT, ALREADY_SET_UP)
    return TotpSetupResponse(secret=secret, otpauth_uri=otpauth_uri)


@router.post("/totp/confirm", responses=body_refused(INCORRECT_CODE.detail) | RATE_LIMITED)
async def confirm_totp(
    confirmation: CodeRequest, user: RecentLogin, client: CurrentClient, autocommit: Autocommit, session: DbSession
) -> RecoveryCodesResponse:
    """Turn the second factor on, by the first code of the app. From now on a login wants a code.

    No session of the account stays recent, as none was begun with a code.
    """
    account = await find_account(autocommit, user.id, client)
    if account is None:
        raise unauthorized(token_was_sent=True)
    attempt = await spend_attempt(autocommit, "confirmation", account, client)
    await lock_recent_owner(session, user)
    unconfirmed = select(TotpSecret).where(TotpSecret.user_id == user.id, TotpSecret.confirmed_at.is_(None))
    totp = await session.scalar(unconfirmed.with_for_update())
    step = matching_step(user.id, totp.encrypted, normalized(confirmation.code)) if totp else None
    if totp is None or step is None:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, INCORRECT_CODE.detail)
    totp.confirmed_at, totp.last_step = func.now(), step
    recovery_codes = await replace_recovery_codes(session, user.id)
    changed_at = await note_change_of_factors(session, user.id)
    await session.execute(update(LoginSession).where(LoginSession.user_id == user.id).values(authenticated_at=None))
    # Clients that have sent only the password are no longer known.
    await session.execute(delete(KnownClient).where(KnownClient.user_id == user.id))
    notify(session, "second_factor_added", user.email, user.id)
    await session.commit()
    await return_attempt(autocommit, attempt)
    await remember_client(autocommit, user.id, changed_at, client)
    audit("second_factor_added", client, user.id)
    return RecoveryCodesResponse(recovery_codes=recovery_codes)


@router.delete("/totp", status_code=status.HTTP_204_NO_CONTENT, responses=MISSING)
async def remove_totp(user: RecentLogin, client: CurrentClient, session: DbSession) -> None:
    """Remove the second factor and its recovery codes; the password alone is enough again."""
    await session.delete(await _lock_second_factor(session, user))
    await session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    await note_change_of_factors(session, user.id)
    notify(session, "second_factor_removed", user.email, user.id)
    await session.commit()
    audit("second_factor_removed", client, user.id, by=user.id)


@router.post("/recovery-codes", responses=MISSING)
async def renew_recovery_codes(user: RecentLogin, session: DbSession) -> RecoveryCodesResponse:
    """Get ten new recovery codes; all older ones are void."""
    await _lock_second_factor(session, user)
    recovery_codes = await replace_recovery_codes(session, user.id)
    await session.commit()
    return RecoveryCodesResponse(recovery_codes=recovery_codes)


@users_router.delete(
    "/{user_id:uuid}/second-factor",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=FORBIDDEN | documented(404, USER_NOT_FOUND) | documented(409, OWN_SECOND_FACTOR),
)
async def remove_second_factors_of_user(
    user_id: uuid.UUID, superuser: CurrentSuperuser, client: CurrentClient, session: DbSession
) -> None:
    """Take away all credentials but the password of somebody who lost them, and end every session of the account."""
    if user_id == superuser.id:  # otherwise a stolen access token would be enough
        raise HTTPException(status.HTTP_409_CONFLICT, OWN_SECOND_FACTOR)
    user = await session.get(User, user_id, with_for_update={"key_share": True})
    if user is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, USER_NOT_FOUND)
    await take_away_credentials(session, user_id)
    notify(session, "second_factor_removed", user.email, user_id)
    await session.commit()
    audit("second_factor_removed", client, user_id, by=superuser.id)


async def _lock_second_factor(session: AsyncSession, user: Caller) -> TotpSecret:
    """The caller's second factor, locked. Raises the 404, and what `lock_recent_owner` raises."""
    await lock_recent_owner(session, user)
    confirmed = select(TotpSecret).where(TotpSecret.user_id == user.id, TotpSecret.confirmed_at.is_not(None))
    totp = await session.scalar(confirmed.with_for_update())
    if totp is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, NOT_SET_UP)
    return totp
