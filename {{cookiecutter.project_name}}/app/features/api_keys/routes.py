"""API keys, which an owner makes for programs; and roles, which superusers give to accounts."""

import uuid
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, HTTPException, status
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from app.api.deps import (
    AccountHolder,
    Autocommit,
    CurrentClient,
    CurrentSuperuser,
    DbSession,
    RecentLogin,
    lock_recent_owner,
)
from app.api.errors import BODY, FORBIDDEN, NEEDS_SCOPE, NO_RECENT_LOGIN, USER_NOT_FOUND, body_refused, documented
from app.auth.audit import audit
from app.auth.caller import Caller
from app.auth.notices import notify
from app.auth.scopes import SCOPES
from app.core.database import Database
from app.features.api_keys.keys import hash_of, new_key, start_of, text_of
from app.features.api_keys.models import ApiKey, UserRole
from app.features.api_keys.roles import give_scopes, scopes_of_account
from app.features.api_keys.schemas import (
    ApiKeyCreatedResponse,
    ApiKeyCreateRequest,
    ApiKeyResponse,
    RolesRequest,
    RolesResponse,
    ScopeResponse,
)
from app.features.api_keys.uses import end_key
from app.models import User

router = APIRouter(prefix="/api-keys")
users_router = APIRouter()

MAX_KEYS = 50
TOO_MANY_KEYS = f"An account has {MAX_KEYS} API keys at most"
KEY_NOT_FOUND = "API key not found"
NOT_YOUR_SCOPES = "Unknown scopes, or scopes that you don't have"
NOT_FOUND = documented(404, USER_NOT_FOUND)


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=NO_RECENT_LOGIN | body_refused(NOT_YOUR_SCOPES) | documented(409, TOO_MANY_KEYS),
)
async def create_api_key(
    new: ApiKeyCreateRequest, user: RecentLogin, client: CurrentClient, autocommit: Autocommit, session: DbSession
) -> ApiKeyCreatedResponse:
    """Make a key for a program of the caller's. The response has it, this once."""
    own = await _scopes_of(user, autocommit)
    scopes = own if new.scopes is None else set(new.scopes)
    if not own.issuperset(scopes):
        raise HTTPException(status.HTTP_400_BAD_REQUEST, NOT_YOUR_SCOPES)
    await lock_recent_owner(session, user)
    mine = ApiKey.user_id == user.id
    await session.execute(delete(ApiKey).where(mine, ApiKey.expires_at < func.now()))
    if await session.scalar(select(func.count()).where(mine)) == MAX_KEYS:
        raise HTTPException(status.HTTP_409_CONFLICT, TOO_MANY_KEYS)
    key = new_key()
    expires_at = datetime.now(UTC) + timedelta(days=new.expires_in_days) if new.expires_in_days else None
    stored = ApiKey(key.id, user.id, new.name, hash_of(key.secret), sorted(scopes), user.login_method, expires_at)
    session.add(stored)
    # Without the key's name: whoever registers with another's address could write to it, once for each name.
    notify(session, "api_key_created", user.email, user.id)
    await session.commit()
    audit("api_key_created", client, user.id, key_id=key.id)
    return ApiKeyCreatedResponse(
        id=key.id, name=new.name, key=text_of(key), scopes=sorted(scopes), expires_at=expires_at
    )


@router.get("", responses=NEEDS_SCOPE)
async def read_my_api_keys(user: AccountHolder, autocommit: Autocommit) -> list[ApiKeyResponse]:
    """List the caller's keys, the newest first; nobody can read a key again."""
    mine = select(*ApiKey.__table__.columns).where(ApiKey.user_id == user.id)
    keys = await autocommit.fetch_all(mine.order_by(ApiKey.created_at.desc(), ApiKey.id))
    return [ApiKeyResponse.model_validate(dict(key._mapping, start=start_of(key.id))) for key in keys]


@router.get("/scopes", responses=NEEDS_SCOPE)
async def read_scopes_for_api_keys(user: AccountHolder, autocommit: Autocommit) -> list[ScopeResponse]:
    """List the scopes that the caller may give a key."""
    own = await _scopes_of(user, autocommit)
    return [ScopeResponse(name=name, description=SCOPES[name]) for name in sorted(own)]


async def _scopes_of(user: Caller, autocommit: Database) -> frozenset[str]:
    own = scopes_of_account(is_superuser=user.is_superuser, of_roles=await give_scopes(autocommit, user.id))
    return own if user.granted is None else own & user.granted


@router.delete(
    "/{key_id:uuid}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=NEEDS_SCOPE | documented(404, KEY_NOT_FOUND),
)
async def delete_my_api_key(
    key_id: uuid.UUID, user: AccountHolder, client: CurrentClient, autocommit: Autocommit
) -> None:
    """Delete one of the caller's keys: it and its tokens stop working at once."""
    if not await end_key(autocommit, user.id, key_id, client):
        raise HTTPException(status.HTTP_404_NOT_FOUND, KEY_NOT_FOUND)


@users_router.get("/{user_id:uuid}/roles", responses=FORBIDDEN | NOT_FOUND)
async def read_roles_of_user(user_id: uuid.UUID, _: CurrentSuperuser, autocommit: Autocommit) -> RolesResponse:
    """Read which roles an account has."""
    roles = select(UserRole.role).outerjoin_from(User, UserRole, UserRole.user_id == User.id).where(User.id == user_id)
    rows = await autocommit.fetch_all(roles.order_by(UserRole.role))
    if not rows:
        raise HTTPException(status.HTTP_404_NOT_FOUND, USER_NOT_FOUND)
    return RolesResponse(roles=[row.role for row in rows if row.role is not None])


@users_router.put(
    "/{user_id:uuid}/roles", status_code=status.HTTP_204_NO_CONTENT, responses=FORBIDDEN | NOT_FOUND | BODY
)
async def replace_roles_of_user(
    user_id: uuid.UUID, new: RolesRequest, superuser: CurrentSuperuser, client: CurrentClient, session: DbSession
) -> None:
    """Give an account these roles and no others; what they change holds from the next request on."""
    user = await session.get(User, user_id, with_for_update={"key_share": True})
    if user is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, USER_NOT_FOUND)
    theirs = UserRole.user_id == user_id
    before, after = set(await session.scalars(select(UserRole.role).where(theirs))), set(new.roles)
    await session.execute(delete(UserRole).where(theirs, UserRole.role.in_(before - after)))
    if granted := sorted(after - before):
        await session.execute(insert(UserRole).values([{"user_id": user_id, "role": role} for role in granted]))
    await session.commit()
    for event, roles in (("role_granted", granted), ("role_revoked", sorted(before - after))):
        for role in roles:
            audit(event, client, user_id, by=superuser.id, role=role)
