"""Accounts by email: forgotten passwords, verification and change of the address."""

import uuid
from datetime import timedelta

from fastapi import APIRouter, HTTPException, Request, status
from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.deps import AccountHolder, Autocommit, CurrentClient, CurrentUser, DbSession, RecentFactor, oauth2_scheme
from app.api.endpoints.reauthentication import check_own_password
from app.api.errors import (
    BODY,
    INCORRECT_PASSWORD,
    NEEDS_SCOPE,
    NOT_RECENT,
    RATE_LIMITED,
    UNAUTHORIZED,
    body_refused,
    unauthorized,
)
from app.auth.accounts import is_unchanged
from app.auth.audit import audit
from app.auth.caller import find_caller
from app.auth.clients import Client
from app.auth.credentials import take_away_credentials
from app.auth.login import hash_new_password
from app.auth.rate_limits import Limit, hit, limits_of_client
from app.core.account_tokens import account_of
from app.core.database import Database
from app.features.mail.models import EmailChange, Registration
from app.features.mail.outbox import post
from app.features.mail.schemas import (
    EmailChangeRequest,
    EmailResponse,
    ForgotPasswordRequest,
    RecoverPasswordRequest,
    VerifyEmailRequest,
)
from app.features.mail.tokens import LIFETIMES, Purpose, is_for
from app.models import KnownClient, LoginSession, User
from app.schemas.requests import refuse_own_address

router = APIRouter()

INVALID_MAIL_TOKEN = "Invalid or expired token"
TOKEN_REFUSED = body_refused(INVALID_MAIL_TOKEN)


@router.post("/auth/forgot-password", status_code=status.HTTP_202_ACCEPTED, responses=BODY | RATE_LIMITED)
async def forgot_password(
    forgotten: ForgotPasswordRequest, client: CurrentClient, autocommit: Autocommit, session: DbSession
) -> None:
    """Have a token sent to this address, if an active account has it; the response is the same if none has."""
    await _admit(autocommit, client)
    account = await autocommit.fetch_one(
        select(User.id).where(func.lower(User.email) == func.lower(forgotten.email), User.is_active)
    )
    # For the log only. Whether anybody gets an email is found out later, so that this always takes the same time.
    post(session, "recovery", forgotten.email)
    await session.commit()
    audit("recovery_requested", client, account.id if account else None)


@router.post("/auth/recover-password", status_code=status.HTTP_204_NO_CONTENT, responses=TOKEN_REFUSED | RATE_LIMITED)
async def recover_password(recovery: RecoverPasswordRequest, client: CurrentClient, session: DbSession) -> None:
    """Set a new password with the token of an email, and end every session of the account."""
    account = await _account(session, recovery.token, "recovery")
    refuse_own_address(recovery.new_password, account.email)
    await session.rollback()  # a transaction must not wait for the hash
    hashed_password = await hash_new_password(recovery.new_password, client)
    # Of several at once one wins: by then, the account is in another state than the token says.
    account = await _account(session, recovery.token, "recovery", locked=True)
    account.hashed_password = hashed_password
    account.password_changed_at = func.now()
    if account.email_verified_at is None:
        account.email_verified_at = func.now()
        await _end_what_was_left(session, account)
    else:
        await session.execute(delete(LoginSession).where(LoginSession.user_id == account.id))
    post(session, "password_changed", account.email, account.id)
    await session.commit()
    audit("password_recovered", client, account.id)


@router.post("/auth/request-verification", status_code=status.HTTP_202_ACCEPTED, responses=UNAUTHORIZED | RATE_LIMITED)
async def request_verification(
    user: CurrentUser, client: CurrentClient, autocommit: Autocommit, session: DbSession
) -> None:
    """Have a token sent to the caller's address; none if it is verified already."""
    await _admit(autocommit, client, user.id)
    post(session, "verification", user.email, user.id)
    await session.commit()


@router.post("/auth/verify-email", status_code=status.HTTP_204_NO_CONTENT, responses=TOKEN_REFUSED)
async def verify_email(
    verification: VerifyEmailRequest,
    request: Request,
    client: CurrentClient,
    autocommit: Autocommit,
    session: DbSession,
) -> None:
    """Prove with the token of an email that the address is the owner's; a new address becomes the account's.

    Unless an access token of the account comes along, the first proof of an address logs everybody out and ends all
    other ways to log in than the password: whoever set them up had not proved the address.
    """
    token = verification.token
    bearer = await oauth2_scheme(request)
    caller = await find_caller(autocommit, bearer) if bearer else None
    # A forged token must not lock the row, or a flood of them would slow the owner's logins.
    await _account(session, token, "verification", "registration", "email_change")
    account = await _account(session, token, "verification", "registration", "email_change", locked=True)
    change = await session.get(EmailChange, account.id)
    is_change = change is not None and is_for(token, "email_change", account, change)
    if is_change and change is not None:
        post(session, "email_changed", account.email, account.id)
        account.email = change.email
        await session.delete(change)
    elif not await _keeps_its_password(session, token, account) or caller is None or caller.id != account.id:
        await _end_what_was_left(session, account)
    account.email_verified_at = func.now()
    try:
        await session.commit()
    except IntegrityError:  # meanwhile somebody else has registered with it
        raise HTTPException(status.HTTP_400_BAD_REQUEST, INVALID_MAIL_TOKEN) from None
    audit("email_changed" if is_change else "email_verified", client, account.id)


@router.get("/users/me/email", responses=NEEDS_SCOPE)
async def read_my_email(user: AccountHolder, autocommit: Autocommit) -> EmailResponse:
    """Read the caller's address, since when it is verified, and which other one is to become it."""
    oldest = func.greatest(User.password_changed_at, func.now() - LIFETIMES["email_change"])
    is_pending = (EmailChange.user_id == User.id) & (EmailChange.requested_at >= oldest)
    row = await autocommit.fetch_one(
        select(User.email, User.email_verified_at.label("verified_at"), EmailChange.email.label("pending"))
        .outerjoin_from(User, EmailChange, is_pending)
        .where(User.id == user.id)
    )
    if row is None:  # the account was deleted since its token was checked
        raise unauthorized(token_was_sent=True)
    return EmailResponse.model_validate(row)


@router.post(
    "/users/me/email",
    status_code=status.HTTP_202_ACCEPTED,
    responses=body_refused(INCORRECT_PASSWORD) | NOT_RECENT | RATE_LIMITED,
)
async def change_my_email(
    change: EmailChangeRequest, user: RecentFactor, client: CurrentClient, autocommit: Autocommit, session: DbSession
) -> None:
    """Have a token sent to another address, which it makes the caller's; the same response if the address is taken."""
    account = await check_own_password(autocommit, user, change.current_password, client)
    await _admit(autocommit, client, user.id)
    # A new password or factor since the check stops the change; it waits for one that is under way.
    unchanged = select(User.id).where(is_unchanged(account)).with_for_update(read=True)
    if await session.scalar(unchanged) is None:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, INCORRECT_PASSWORD)
    new = insert(EmailChange).values(user_id=user.id, email=change.email)
    await session.execute(
        new.on_conflict_do_update(
            index_elements=[EmailChange.user_id], set_={"email": new.excluded.email, "requested_at": func.now()}
        )
    )
    post(session, "email_change", change.email, user.id)
    post(session, "email_change_requested", user.email, user.id)
    await session.commit()


async def _admit(database: Database, client: Client, user_id: uuid.UUID | None = None) -> None:
    """Count a client's and an account's request for an email. The sender limits what one address gets."""
    limits = limits_of_client("mail", client, 30, timedelta(seconds=30))
    if user_id is not None:
        limits.append(Limit("mail of account", str(user_id), 10, timedelta(minutes=6)))
    await hit(database, limits)


async def _account(session: AsyncSession, token: str, *purposes: Purpose, locked: bool = False) -> User:
    """The active account that a token for one of these purposes belongs to, its row locked or not. Raises the 400."""
    of_registration = select(func.lower(Registration.email)).where(Registration.id == account_of(token))
    is_meant = or_(User.id == account_of(token), func.lower(User.email) == of_registration.scalar_subquery())
    statement = select(User).where(is_meant, User.is_active)
    if locked:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    account = await session.scalar(statement)
    change = await session.get(EmailChange, account.id, populate_existing=True) if account else None
    if account is None or not any(is_for(token, purpose, account, change) for purpose in purposes):
        raise HTTPException(status.HTTP_400_BAD_REQUEST, INVALID_MAIL_TOKEN)
    return account


async def _keeps_its_password(session: AsyncSession, token: str, account: User) -> bool:
    """Whether the token confirms the account's present password; if not, the account gets the confirmed password."""
    registrations = delete(Registration).where(func.lower(Registration.email) == func.lower(account.email))
    passwords = await session.execute(registrations.returning(Registration.id, Registration.hashed_password))
    of_registration = {row.id: row.hashed_password for row in passwords}
    hashed_password = of_registration.get(account_of(token), account.hashed_password)
    if hashed_password == account.hashed_password:
        return True
    account.hashed_password, account.password_changed_at = hashed_password, func.now()
    return False


async def _end_what_was_left(session: AsyncSession, account: User) -> None:
    ended = await take_away_credentials(session, account.id)
    if ended - {LoginSession, KnownClient}:
        post(session, "set_up_again", account.email, account.id)
