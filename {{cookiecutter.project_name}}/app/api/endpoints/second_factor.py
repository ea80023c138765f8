"""The second factor: set up, used and removed by the account's owner. docs/second-factor.md shows each flow.

[A page](docs/second-factor) tries it, and passkeys, in your browser.
"""

import uuid

from fastapi import APIRouter, Depends, HTTPException, Response, status
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.cookies import refuse_other_sites, with_cookie
from app.api.deps import Autocommit, ClientIp, CurrentSuperuser, CurrentUser, DbSession
from app.api.errors import (
    ANOTHER_SITE,
    EMAIL_NOT_VERIFIED,
    FORBIDDEN,
    INCORRECT_PASSWORD,
    INVALID_CODE,
    PASSKEY_REQUIRED,
    RATE_LIMITED,
    UNAUTHORIZED,
    UNVERIFIED,
    USER_NOT_FOUND,
    body_refused,
    documented,
    unauthorized,
)
from app.api.grants import Device, log_in_with_code
from app.api.oauth import OAuthRoute, with_codes
from app.api.proof import lock_owner, prove_password, prove_second_factor, refuse_weaker_session
from app.auth.audit import audit
from app.auth.caller import Caller
from app.auth.known_clients import remember_client
from app.auth.login import find_account
from app.auth.rate_limits import return_attempt
from app.auth.second_factor import (
    has_second_factor,
    matching_step,
    new_totp_secret,
    normalized,
    replace_recovery_codes,
    spend_attempt,
)
from app.core.database import Database
from app.mail.outbox import post
from app.models import KnownClient, LoginSession, Passkey, RecoveryCode, TotpSecret, User
from app.schemas.passkeys import PasskeyResponse
from app.schemas.responses import BrowserTokenResponse, TokenResponse
from app.schemas.second_factor import (
    CodeRequest,
    PasswordAndCodeRequest,
    RecoveryCodesResponse,
    SecondFactorRequest,
    SecondFactorResponse,
    TotpSetupRequest,
    TotpSetupResponse,
)

router = APIRouter()
users_router = APIRouter()
login_router = APIRouter(route_class=OAuthRoute)
browser_router = APIRouter(route_class=OAuthRoute, dependencies=[Depends(refuse_other_sites)])

OWN_SECOND_FACTOR = "Remove your own with your password and a code"
ALREADY_SET_UP = "A second factor is set up already"
NOT_SET_UP = "No second factor is set up"

WEAKER = documented(403, PASSKEY_REQUIRED)
ALREADY = documented(409, ALREADY_SET_UP)
WRONG = body_refused(INCORRECT_PASSWORD, INVALID_CODE) | UNAUTHORIZED | RATE_LIMITED
LOGIN_REFUSED = body_refused(INVALID_CODE) | RATE_LIMITED
CODES = {INVALID_CODE: "invalid_grant", EMAIL_NOT_VERIFIED: "email_not_verified"}


@router.get("/second-factor", responses=UNAUTHORIZED)
async def read_my_second_factor(user: CurrentUser, autocommit: Autocommit) -> SecondFactorResponse:
    """Read which second factors and passkeys the caller has."""
    totp = await has_second_factor(autocommit, user.id)
    codes = await autocommit.fetch_all(select(RecoveryCode.code).where(RecoveryCode.user_id == user.id))
    mine = select(Passkey.__table__).where(Passkey.user_id == user.id).order_by(Passkey.created_at, Passkey.id)
    passkeys = [PasskeyResponse.model_validate(passkey) for passkey in await autocommit.fetch_all(mine)]
    return SecondFactorResponse(totp=totp, recovery_codes_left=len(codes), passkeys=passkeys)


@router.post(
    "/totp",
    dependencies=[Depends(refuse_weaker_session)],
    responses=body_refused(INCORRECT_PASSWORD) | UNAUTHORIZED | WEAKER | RATE_LIMITED | ALREADY,
)
async def set_up_totp(
    setup: TotpSetupRequest, user: CurrentUser, client_ip: ClientIp, autocommit: Autocommit
) -> TotpSetupResponse:
    """Get a secret for an authenticator app. It takes effect once confirmed; until then, asking again replaces it."""
    await prove_password(autocommit, user, setup.current_password, client_ip)
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


@router.post(
    "/totp/confirm",
    dependencies=[Depends(refuse_weaker_session)],
    responses=body_refused(INVALID_CODE) | UNAUTHORIZED | WEAKER | RATE_LIMITED,
)
async def confirm_totp(
    confirmation: CodeRequest, user: CurrentUser, client_ip: ClientIp, autocommit: Autocommit, session: DbSession
) -> RecoveryCodesResponse:
    """Turn the second factor on, by the first code of the app. From now on a login wants a code."""
    account = await find_account(autocommit, user.id, client_ip)
    if account is None or account.second_factor_since:  # takes no attempt, which its logins may need
        raise HTTPException(status.HTTP_400_BAD_REQUEST, INVALID_CODE)
    attempt = await spend_attempt(autocommit, user.id, client_ip, knows_client=account.knows_client)
    await lock_owner(session, user)
    unconfirmed = select(TotpSecret).where(TotpSecret.user_id == user.id, TotpSecret.confirmed_at.is_(None))
    totp = await session.scalar(unconfirmed.with_for_update())
    step = matching_step(user.id, totp.encrypted, normalized(confirmation.code)) if totp else None
    if totp is None or step is None:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, INVALID_CODE)
    totp.confirmed_at, totp.last_step = func.now(), step
    recovery_codes = await replace_recovery_codes(session, user.id)
    # Clients that have sent only the password are no longer known.
    await session.execute(delete(KnownClient).where(KnownClient.user_id == user.id))
    post(session, "second_factor_added", user.email, user.id)
    await session.commit()
    await return_attempt(autocommit, attempt)
    await remember_client(autocommit, user.id, client_ip)
    audit("second_factor_added", client_ip, user.id)
    return RecoveryCodesResponse(recovery_codes=recovery_codes)


@router.delete("/totp", status_code=status.HTTP_204_NO_CONTENT, responses=WRONG | documented(404, NOT_SET_UP))
async def remove_totp(
    proof: PasswordAndCodeRequest, user: CurrentUser, client_ip: ClientIp, autocommit: Autocommit, session: DbSession
) -> None:
    """Remove the second factor and its recovery codes; the password alone is enough again."""
    totp = await _prove_both(autocommit, session, user, proof, client_ip)
    await session.delete(totp)
    await session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    post(session, "second_factor_removed", user.email, user.id)
    await session.commit()
    audit("second_factor_removed", client_ip, user.id, by=user.id)


@router.post("/recovery-codes", responses=WRONG | documented(404, NOT_SET_UP))
async def renew_recovery_codes(
    proof: PasswordAndCodeRequest, user: CurrentUser, client_ip: ClientIp, autocommit: Autocommit, session: DbSession
) -> RecoveryCodesResponse:
    """Get ten new recovery codes; all older ones are void."""
    await _prove_both(autocommit, session, user, proof, client_ip)
    recovery_codes = await replace_recovery_codes(session, user.id)
    await session.commit()
    return RecoveryCodesResponse(recovery_codes=recovery_codes)


async def _prove_both(
    database: Database, session: AsyncSession, user: Caller, proof: PasswordAndCodeRequest, client_ip: str
) -> TotpSecret:
    """The second factor that this proves, locked. Raises the 404, and what the others do.

    By the time that it is locked, the caller may have another one, or the first: the proof isn't for that.
    """
    account = await prove_password(database, user, proof.current_password, client_ip)
    if account.second_factor_since is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, NOT_SET_UP)
    await prove_second_factor(database, user.id, proof.code, client_ip)
    await lock_owner(session, user)
    proved = select(TotpSecret).where(
        TotpSecret.user_id == user.id, TotpSecret.confirmed_at == account.second_factor_since
    )
    totp = await session.scalar(proved.with_for_update())
    if totp is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, NOT_SET_UP)
    return totp


@users_router.delete(
    "/{user_id:uuid}/second-factor",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=FORBIDDEN | documented(404, USER_NOT_FOUND) | documented(409, OWN_SECOND_FACTOR),
)
async def remove_second_factors_of_user(
    user_id: uuid.UUID, superuser: CurrentSuperuser, client_ip: ClientIp, session: DbSession
) -> None:
    """Take away all second factors and passkeys of somebody who has lost them, and end every session of the account."""
    if user_id == superuser.id:  # otherwise a stolen access token would be enough
        raise HTTPException(status.HTTP_409_CONFLICT, OWN_SECOND_FACTOR)
    user = await session.get(User, user_id, with_for_update={"key_share": True})  # a passkey may be on its way
    if user is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, USER_NOT_FOUND)
    for model in (TotpSecret, RecoveryCode, Passkey, LoginSession):
        await session.execute(delete(model).where(model.user_id == user_id))
    post(session, "second_factor_removed", user.email, user_id)
    await session.commit()
    audit("second_factor_removed", client_ip, user_id, by=superuser.id)


@login_router.post("/second-factor", responses=with_codes(LOGIN_REFUSED | UNVERIFIED, CODES))
async def log_in_with_second_factor(
    login: SecondFactorRequest, client_ip: ClientIp, device: Device, autocommit: Autocommit
) -> TokenResponse:
    """Finish a login whose response was `mfa_required`, with a code of the app or a recovery code."""
    tokens = await log_in_with_code(autocommit, login.mfa_token, login.code, client_ip, device)
    return TokenResponse.model_validate(tokens)


@browser_router.post(
    "/second-factor", responses=with_codes(LOGIN_REFUSED | documented(403, ANOTHER_SITE, EMAIL_NOT_VERIFIED), CODES)
)
async def log_in_browser_with_second_factor(
    login: SecondFactorRequest, client_ip: ClientIp, device: Device, autocommit: Autocommit, response: Response
) -> BrowserTokenResponse:
    """The same for a browser; the refresh token becomes a cookie."""
    tokens = await log_in_with_code(autocommit, login.mfa_token, login.code, client_ip, device)
    return with_cookie(tokens, response)
