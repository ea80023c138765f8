"""Passkeys: registered and removed by the account's owner, and a login without a name or a password."""

import uuid
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Response, status
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from app.api.cookies import refuse_other_sites, with_cookie
from app.api.deps import Autocommit, ClientIp, CurrentUser, DbSession
from app.api.errors import (
    ANOTHER_SITE,
    EMAIL_NOT_VERIFIED,
    INCORRECT_PASSWORD,
    INVALID_CODE,
    PASSKEY_REQUIRED,
    PASSWORD_REQUIRED,
    RATE_LIMITED,
    SECOND_FACTOR_REQUIRED,
    UNAUTHORIZED,
    UNVERIFIED,
    body_refused,
    documented,
)
from app.api.grants import Device, begin
from app.api.oauth import OAuthError, OAuthRoute, with_codes
from app.api.proof import lock_owner, prove_presence, refuse_weaker_session
from app.auth.audit import audit
from app.auth.known_clients import remember_client
from app.auth.passkeys import (
    ALGORITHMS,
    CHALLENGE_LIFETIME,
    MAX_PASSKEYS,
    InvalidPasskeyError,
    base64url,
    check_registration,
    create_challenge,
    holder_of_registration,
    spending,
    use_passkey,
)
from app.auth.rate_limits import hit, limits_of_client
from app.auth.second_factor import has_second_factor
from app.auth.sessions import Tokens
from app.core.config import PROJECT, settings
from app.core.database import Database
from app.mail.outbox import post
from app.models import Passkey
from app.schemas.passkeys import (
    CreationOptionsResponse,
    CredentialDescriptor,
    KeyType,
    PasskeyLoginRequest,
    PasskeyOwner,
    PasskeyRegistrationRequest,
    PasskeyResponse,
    RelyingParty,
    RequestOptionsResponse,
)
from app.schemas.responses import BrowserTokenResponse, TokenResponse

router = APIRouter()
login_router = APIRouter(route_class=OAuthRoute)
browser_router = APIRouter(route_class=OAuthRoute, dependencies=[Depends(refuse_other_sites)])

INVALID_PASSKEY = "Invalid passkey"
PASSKEY_NOT_FOUND = "Passkey not found"
REGISTERED_ALREADY = "This passkey is registered already"
TOO_MANY_PASSKEYS = f"An account has {MAX_PASSKEYS} passkeys at most"
TIMEOUT: Final = int(CHALLENGE_LIFETIME / timedelta(milliseconds=1))

PROOF_WANTED = (
    body_refused(INCORRECT_PASSWORD, INVALID_CODE)
    | UNAUTHORIZED
    | documented(403, PASSWORD_REQUIRED, SECOND_FACTOR_REQUIRED, PASSKEY_REQUIRED)
    | RATE_LIMITED
)
LOGIN_REFUSED = body_refused(INVALID_PASSKEY) | RATE_LIMITED
CODES = {INVALID_PASSKEY: "invalid_grant", EMAIL_NOT_VERIFIED: "email_not_verified"}


async def get_holder(user: CurrentUser, autocommit: Autocommit) -> bytes:
    has_factor = await has_second_factor(autocommit, user.id)
    return holder_of_registration(user.id, user.session_id, has_second_factor=has_factor)


Holder = Annotated[bytes, Depends(get_holder)]


@router.post(
    "/passkeys/options",
    dependencies=[Depends(refuse_weaker_session), Depends(prove_presence)],
    responses=PROOF_WANTED | documented(409, TOO_MANY_PASSKEYS),
)
async def begin_passkey_registration(
    user: CurrentUser, holder: Holder, autocommit: Autocommit
) -> CreationOptionsResponse:
    """Get what a page needs to make a passkey. Later than ten minutes after the login, send the password or a code."""
    mine = await autocommit.fetch_all(select(Passkey.credential_id).where(Passkey.user_id == user.id))
    if len(mine) >= MAX_PASSKEYS:
        raise HTTPException(status.HTTP_409_CONFLICT, TOO_MANY_PASSKEYS)
    return CreationOptionsResponse(
        rp=RelyingParty(id=settings.rp_id or "", name=PROJECT["name"]),
        user=PasskeyOwner(id=base64url(user.id.bytes), name=user.email, display_name=user.email),
        challenge=create_challenge("passkey registration", holder),
        pub_key_cred_params=[KeyType(alg=algorithm) for algorithm in ALGORITHMS],
        timeout=TIMEOUT,
        exclude_credentials=[CredentialDescriptor(id=base64url(row.credential_id)) for row in mine],
    )


@router.post(
    "/passkeys",
    status_code=status.HTTP_201_CREATED,
    dependencies=[Depends(refuse_weaker_session)],
    responses=body_refused(INVALID_PASSKEY)
    | UNAUTHORIZED
    | documented(403, PASSKEY_REQUIRED)
    | documented(409, REGISTERED_ALREADY, TOO_MANY_PASSKEYS),
)
async def register_passkey(
    new: PasskeyRegistrationRequest, user: CurrentUser, holder: Holder, client_ip: ClientIp, session: DbSession
) -> PasskeyResponse:
    """Register the passkey that an authenticator made from the options, which work once, in this session."""
    try:
        registration = check_registration(new.model_dump(by_alias=True), holder)
    except InvalidPasskeyError:
        raise _refused(client_ip, user.id) from None
    await lock_owner(session, user)  # none comes beyond the maximum either
    if await session.scalar(spending(registration.challenge)) is None:
        raise _refused(client_ip, user.id)
    if await session.scalar(select(func.count()).where(Passkey.user_id == user.id)) == MAX_PASSKEYS:
        raise HTTPException(status.HTTP_409_CONFLICT, TOO_MANY_PASSKEYS)
    passkey = Passkey(user.id, new.name, registration.credential_id, registration.public_key, registration.sign_count)
    session.add(passkey)
    post(session, "second_factor_added", user.email, user.id)
    try:
        await session.commit()
    except IntegrityError:  # only whoever has the passkey gets here, so this reveals nothing
        raise HTTPException(status.HTTP_409_CONFLICT, REGISTERED_ALREADY) from None
    audit("second_factor_added", client_ip, user.id)
    return PasskeyResponse.model_validate(passkey)


@router.delete(
    "/passkeys/{passkey_id:uuid}",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[Depends(refuse_weaker_session), Depends(prove_presence)],
    responses=PROOF_WANTED | documented(404, PASSKEY_NOT_FOUND),
)
async def remove_passkey(passkey_id: uuid.UUID, user: CurrentUser, client_ip: ClientIp, session: DbSession) -> None:
    """Remove one of the caller's passkeys; the password stays a way to log in."""
    my_passkey = delete(Passkey).where(Passkey.id == passkey_id, Passkey.user_id == user.id)
    if await session.scalar(my_passkey.returning(Passkey.id)) is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, PASSKEY_NOT_FOUND)
    post(session, "second_factor_removed", user.email, user.id)
    await session.commit()
    audit("second_factor_removed", client_ip, user.id, by=user.id)


@login_router.post("/passkeys/login/options")
async def begin_passkey_login() -> RequestOptionsResponse:
    """Get what a page needs to use a passkey. The browser offers those of this site, so nobody sends a name."""
    return RequestOptionsResponse(
        challenge=create_challenge("passkey login"),
        timeout=TIMEOUT,
        rp_id=settings.rp_id or "",
        allow_credentials=[],
    )


@login_router.post("/passkeys/login", responses=with_codes(LOGIN_REFUSED | UNVERIFIED, CODES))
async def log_in_with_passkey(
    assertion: PasskeyLoginRequest, client_ip: ClientIp, device: Device, autocommit: Autocommit
) -> TokenResponse:
    """Log in with a passkey; no second factor is asked for."""
    return TokenResponse.model_validate(await _log_in(autocommit, assertion, client_ip, device))


@browser_router.post(
    "/passkeys/login",
    responses=with_codes(LOGIN_REFUSED | documented(403, ANOTHER_SITE, EMAIL_NOT_VERIFIED), CODES),
)
async def log_in_browser_with_passkey(
    assertion: PasskeyLoginRequest, client_ip: ClientIp, device: Device, autocommit: Autocommit, response: Response
) -> BrowserTokenResponse:
    """The same for a browser; the refresh token becomes a cookie."""
    return with_cookie(await _log_in(autocommit, assertion, client_ip, device), response)


async def _log_in(database: Database, assertion: PasskeyLoginRequest, client_ip: str, device: str | None) -> Tokens:
    await hit(database, limits_of_client("passkey login", client_ip, 600, timedelta(seconds=2)))
    account = await use_passkey(database, assertion.model_dump(by_alias=True), client_ip)
    tokens = account and await begin(database, account, device, client_ip, "passkey")
    if not account or not tokens:
        raise OAuthError("invalid_grant", INVALID_PASSKEY)
    await remember_client(database, account.id, client_ip)
    return tokens


def _refused(client_ip: str, user_id: uuid.UUID) -> HTTPException:
    audit("passkey_refused", client_ip, user_id)
    return HTTPException(status.HTTP_400_BAD_REQUEST, INVALID_PASSKEY)
