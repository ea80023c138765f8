"""Passkeys: registered, listed and removed by the account's owner."""

import uuid

from fastapi import APIRouter, HTTPException, status
from fido2.utils import websafe_encode
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from app.api.deps import AccountHolder, Autocommit, CurrentClient, DbSession, RecentLogin, lock_recent_owner
from app.api.errors import NEEDS_SCOPE, NO_RECENT_LOGIN, ONLY_WAY_TO_LOG_IN, body_refused, documented
from app.auth.audit import audit
from app.auth.clients import Client
from app.auth.credentials import can_log_in, note_change_of_factors
from app.auth.notices import notify
from app.core.config import PROJECT
from app.features.passkeys.ceremonies import ALGORITHMS, InvalidPasskeyError, check_registration
from app.features.passkeys.challenges import create_challenge, holder_of_registration, spending
from app.features.passkeys.login import INCORRECT_PASSKEY, TIMEOUT
from app.features.passkeys.models import Passkey
from app.features.passkeys.schemas import (
    CreationOptionsResponse,
    CredentialDescriptor,
    KeyType,
    PasskeyOwner,
    PasskeyRegistrationRequest,
    PasskeyResponse,
    RelyingParty,
)
from app.features.passkeys.settings import passkey_settings

router = APIRouter()

MAX_PASSKEYS = 20  # of an account; an authenticator is told of each of them

PASSKEY_NOT_FOUND = "Passkey not found"
REGISTERED_ALREADY = "This passkey is registered already"
TOO_MANY_PASSKEYS = f"An account has {MAX_PASSKEYS} passkeys at most"


@router.get("/passkeys", responses=NEEDS_SCOPE)
async def read_my_passkeys(user: AccountHolder, autocommit: Autocommit) -> list[PasskeyResponse]:
    """List the caller's passkeys, the oldest first."""
    mine = select(Passkey.__table__).where(Passkey.user_id == user.id).order_by(Passkey.created_at, Passkey.id)
    return [PasskeyResponse.model_validate(passkey) for passkey in await autocommit.fetch_all(mine)]


@router.post("/passkeys/options", responses=NO_RECENT_LOGIN | documented(409, TOO_MANY_PASSKEYS))
async def begin_passkey_registration(user: RecentLogin, autocommit: Autocommit) -> CreationOptionsResponse:
    """Get what a page needs to make a passkey."""
    mine = await autocommit.fetch_all(select(Passkey.credential_id).where(Passkey.user_id == user.id))
    if len(mine) >= MAX_PASSKEYS:
        raise HTTPException(status.HTTP_409_CONFLICT, TOO_MANY_PASSKEYS)
    return CreationOptionsResponse(
        rp=RelyingParty(id=passkey_settings.rp_id or "", name=PROJECT["name"]),
        user=PasskeyOwner(id=websafe_encode(user.id.bytes), name=user.email, display_name=user.email),
        challenge=create_challenge("passkey registration", holder_of_registration(user.id, user.session_id)),
        pub_key_cred_params=[KeyType(alg=algorithm) for algorithm in ALGORITHMS],
        timeout=TIMEOUT,
        exclude_credentials=[CredentialDescriptor(id=websafe_encode(row.credential_id)) for row in mine],
    )


@router.post(
    "/passkeys",
    status_code=status.HTTP_201_CREATED,
    responses=NO_RECENT_LOGIN
    | body_refused(INCORRECT_PASSKEY.detail)
    | documented(409, REGISTERED_ALREADY, TOO_MANY_PASSKEYS),
)
async def register_passkey(
    new: PasskeyRegistrationRequest, user: RecentLogin, client: CurrentClient, session: DbSession
) -> PasskeyResponse:
    """Register the passkey that an authenticator made from the options, which work once, in this session."""
    try:
        registration = check_registration(new, holder_of_registration(user.id, user.session_id))
    except InvalidPasskeyError:
        raise _refused(client, user.id) from None
    await lock_recent_owner(session, user)  # none comes beyond the maximum either
    if await session.scalar(spending(registration.challenge)) is None:
        raise _refused(client, user.id)
    if await session.scalar(select(func.count()).where(Passkey.user_id == user.id)) == MAX_PASSKEYS:
        raise HTTPException(status.HTTP_409_CONFLICT, TOO_MANY_PASSKEYS)
    passkey = Passkey(user.id, new.name, registration.credential_id, registration.public_key, registration.sign_count)
    session.add(passkey)
    notify(session, "passkey_added", user.email, user.id)
    try:
        await session.commit()
    except IntegrityError:  # only whoever has the passkey gets here, so this reveals nothing
        raise HTTPException(status.HTTP_409_CONFLICT, REGISTERED_ALREADY) from None
    audit("second_factor_added", client, user.id)
    return PasskeyResponse.model_validate(passkey)


@router.delete(
    "/passkeys/{passkey_id:uuid}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=NO_RECENT_LOGIN | documented(404, PASSKEY_NOT_FOUND) | documented(409, ONLY_WAY_TO_LOG_IN),
)
async def remove_passkey(passkey_id: uuid.UUID, user: RecentLogin, client: CurrentClient, session: DbSession) -> None:
    """Remove one of the caller's passkeys, unless it is the only way to log in."""
    await lock_recent_owner(session, user)
    my_passkey = delete(Passkey).where(Passkey.id == passkey_id, Passkey.user_id == user.id)
    if await session.scalar(my_passkey.returning(Passkey.id)) is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, PASSKEY_NOT_FOUND)
    if not await can_log_in(session, user.id):
        raise HTTPException(status.HTTP_409_CONFLICT, ONLY_WAY_TO_LOG_IN)
    await note_change_of_factors(session, user.id)
    notify(session, "passkey_removed", user.email, user.id)
    await session.commit()
    audit("second_factor_removed", client, user.id, by=user.id)


def _refused(client: Client, user_id: uuid.UUID) -> HTTPException:
    audit("passkey_refused", client, user_id)
    return HTTPException(status.HTTP_400_BAD_REQUEST, INCORRECT_PASSKEY.detail)
