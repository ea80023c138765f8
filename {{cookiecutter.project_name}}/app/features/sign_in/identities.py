"""The linked logins of an account, and what an owner without a password needs: a first one, a recent login."""

import logging
import uuid
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response, status
from sqlalchemy import Select, delete, func, select, update

from app.api.cookies import FOREIGN, refuse_other_sites
from app.api.deps import (
    AccountHolder,
    Autocommit,
    CurrentClient,
    CurrentUser,
    DbSession,
    RecentLogin,
    lock_recent_owner,
)
from app.api.errors import (
    BODY,
    NEEDS_SCOPE,
    NO_RECENT_LOGIN,
    ONLY_WAY_TO_LOG_IN,
    RATE_LIMITED,
    UNAUTHORIZED,
    body_refused,
    documented,
)
from app.auth.audit import audit
from app.auth.caller import Caller
from app.auth.credentials import can_log_in, note_change_of_factors
from app.auth.login import hash_new_password
from app.auth.notices import notify
from app.auth.recent_login import missing_factor
from app.core.passwords import NO_PASSWORD
from app.features.sign_in.flow import Flow, Purpose, callback_url, set_flow_cookie
from app.features.sign_in.models import Identity
from app.features.sign_in.providers import InvalidAnswerError, Provider, ProviderUnavailableError
from app.features.sign_in.return_to import REFUSED, checked, home, is_app
from app.features.sign_in.routes import UNKNOWN, GivenProvider, begin
from app.features.sign_in.schemas import (
    FirstPasswordRequest,
    IdentityResponse,
    LocationResponse,
    PasswordResponse,
    ReturnRequest,
)
from app.models import User
from app.schemas.requests import refuse_own_address

logger = logging.getLogger("app.sign_in")

router = APIRouter()
users_router = APIRouter()
# Below /auth/browser, where pages of other origins that we know may send and get cookies.
browser_router = APIRouter(dependencies=[Depends(refuse_other_sites)])

IDENTITY_NOT_FOUND = "Linked login not found"
HAS_A_PASSWORD = "The account has a password already"
CANNOT_TELL = "This provider doesn't say when somebody logged in there"
PROVIDER_UNAVAILABLE = "The provider is unavailable, try again later"


@router.get("/identities", responses=NEEDS_SCOPE)
async def read_my_identities(user: AccountHolder, autocommit: Autocommit) -> list[IdentityResponse]:
    """List the caller's linked logins, the oldest first."""
    mine = select(Identity.__table__).where(Identity.user_id == user.id).order_by(Identity.created_at, Identity.id)
    return [IdentityResponse.model_validate(identity) for identity in await autocommit.fetch_all(mine)]


@router.delete(
    "/identities/{identity_id:uuid}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=NO_RECENT_LOGIN | documented(404, IDENTITY_NOT_FOUND) | documented(409, ONLY_WAY_TO_LOG_IN),
)
async def unlink_identity(identity_id: uuid.UUID, user: RecentLogin, client: CurrentClient, session: DbSession) -> None:
    """Remove one of the caller's linked logins, unless it is the only way to log in."""
    await lock_recent_owner(session, user)
    mine = delete(Identity).where(Identity.id == identity_id, Identity.user_id == user.id)
    provider = await session.scalar(mine.returning(Identity.provider))
    if provider is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, IDENTITY_NOT_FOUND)
    if not await can_log_in(session, user.id):
        raise HTTPException(status.HTTP_409_CONFLICT, ONLY_WAY_TO_LOG_IN)
    await note_change_of_factors(session, user.id)
    notify(session, "identity_unlinked", user.email, user.id, provider=provider)
    await session.commit()
    audit("identity_unlinked", client, user.id, by=user.id)


@dataclass
class Start:
    """Begins a sign-in that is bound to the caller's session and, by the cookie of the response, to this browser."""

    body: ReturnRequest
    request: Request
    client: CurrentClient
    database: Autocommit
    response: Response

    async def __call__(self, purpose: Purpose, provider: Provider, user: Caller) -> LocationResponse:
        flow = Flow(
            provider=provider.id,
            redirect_uri=callback_url(self.request, provider),
            return_to=checked(self.body.return_to or home()),
            purpose=purpose,
            user_id=user.id,
            session_id=user.session_id,
        )
        if is_app(flow.return_to):  # its callback gets no cookie of this browser
            raise HTTPException(status.HTTP_400_BAD_REQUEST, REFUSED)
        try:
            location = await begin(self.database, provider, flow, self.client)
        except (ProviderUnavailableError, InvalidAnswerError) as error:
            logger.warning("A sign-in could not begin: %s", error)
            raise HTTPException(503, PROVIDER_UNAVAILABLE, {"Retry-After": "10"}) from None
        set_flow_cookie(self.response, flow)
        return LocationResponse(location=location)


STARTED = FOREIGN | UNKNOWN | body_refused(REFUSED, CANNOT_TELL) | RATE_LIMITED
STARTED |= documented(503, PROVIDER_UNAVAILABLE, header="Retry-After")


@browser_router.post("/providers/{provider_id}/link", responses=NO_RECENT_LOGIN | STARTED)
async def begin_link(
    user: RecentLogin, provider: GivenProvider, start: Annotated[Start, Depends()]
) -> LocationResponse:
    """Get where this browser has to go, as a page, to link a login of this provider with the caller's account.

    It comes back to `return_to`, where `GET /auth/identities` then has it; or with `#error=…`.
    """
    return await start("link", provider, user)


@browser_router.post("/providers/{provider_id}/reauthenticate", responses=UNAUTHORIZED | STARTED)
async def begin_reauthentication(
    user: CurrentUser, provider: GivenProvider, start: Annotated[Start, Depends()]
) -> LocationResponse:
    """Get where this browser has to go, as a page, to re-authenticate by logging in at this provider once more.

    It comes back to `return_to`, and the session is recent; or with `#error=…`.
    """
    if not provider.says_when:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, CANNOT_TELL)
    if factor := await missing_factor(start.database, user.id):
        raise HTTPException(status.HTTP_400_BAD_REQUEST, factor.refusal)
    return await start("reauthentication", provider, user)


@users_router.get("/me/password", responses=NEEDS_SCOPE)
async def read_whether_a_password_is_set(user: AccountHolder, autocommit: Autocommit) -> PasswordResponse:
    """Read whether the caller's account has a password; one that somebody else vouched for begins without."""
    return PasswordResponse(is_set=await autocommit.fetch_one(_without_password(user)) is None)


@users_router.post(
    "/me/password",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=BODY | NO_RECENT_LOGIN | RATE_LIMITED | documented(409, HAS_A_PASSWORD),
)
async def set_first_password(
    first: FirstPasswordRequest, user: RecentLogin, client: CurrentClient, autocommit: Autocommit, session: DbSession
) -> None:
    """Give the caller's account its first password; `/users/reset-password` changes it later."""
    refuse_own_address(first.new_password, user.email)
    if await autocommit.fetch_one(_without_password(user)) is None:  # so that no hash is made in vain
        raise HTTPException(status.HTTP_409_CONFLICT, HAS_A_PASSWORD)
    hashed_password = await hash_new_password(first.new_password, client)
    await lock_recent_owner(session, user)
    new = update(User).where(User.id == user.id, User.hashed_password == NO_PASSWORD)
    values = {"hashed_password": hashed_password, "password_changed_at": func.now()}
    if await session.scalar(new.values(values).returning(User.id)) is None:
        raise HTTPException(status.HTTP_409_CONFLICT, HAS_A_PASSWORD)
    notify(session, "password_changed", user.email, user.id)
    await session.commit()
    audit("password_changed", client, user.id)


def _without_password(user: Caller) -> Select[uuid.UUID]:
    return select(User.__table__.c.id).where(User.id == user.id, User.hashed_password == NO_PASSWORD)
