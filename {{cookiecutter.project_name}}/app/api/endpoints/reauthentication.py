"""Re-authentication: a session is recent again once its user has sent the password, or a second factor."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, NamedTuple, Self

from fastapi import APIRouter, HTTPException, status
from pydantic import create_model, model_validator
from pydantic_core import PydanticCustomError

from app.api.deps import Autocommit, CurrentClient, CurrentUser
from app.api.errors import INCORRECT_PASSWORD, RATE_LIMITED, UNAUTHORIZED, body_refused, unauthorized
from app.auth.accounts import Account, find_account
from app.auth.caller import Caller
from app.auth.clients import Client
from app.auth.login import authenticate, forget_attempts
from app.auth.recent_login import make_recent, missing_factor
from app.core.database import Database
from app.schemas.requests import OPTIONAL, AnyPassword, JsonRequest


class Reauthentication(NamedTuple):
    """A way to re-authenticate, with a field of its own in the body."""

    type: Any
    # Gets the caller's account, as it was before the check; raises a 400 with the refusal.
    check: Callable[[Database, Account, str, Client], Awaitable[object]]
    refusal: str


async def check_own_password(database: Database, user: Caller | Account, password: str, client: Client) -> Account:
    """The caller's account, if this is its password. Raises the 400, RateLimitedError and PasswordQueueFullError."""
    account = await authenticate(database, user.email, password, client)
    if account is None or account.id != user.id:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, INCORRECT_PASSWORD)
    await forget_attempts(database, account, client)
    return account


async def _check_password_alone(database: Database, account: Account, password: str, client: Client) -> None:
    if factor := await missing_factor(database, account.id):
        raise HTTPException(status.HTTP_400_BAD_REQUEST, factor.refusal)
    await check_own_password(database, account, password, client)


# By their fields. Features add theirs.
reauthentications: Final = {"password": Reauthentication(AnyPassword, _check_password_alone, INCORRECT_PASSWORD)}


class _OneField(JsonRequest):
    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(value is not None for _, value in self) != 1:
            raise PydanticCustomError("one_of", "Send one of: {names}", {"names": ", ".join(reauthentications)})
        return self


def reauthentication_router() -> APIRouter:
    """The route, whose body has a field for each way to re-authenticate."""
    fields: dict[str, Any] = {name: (Annotated[way.type, OPTIONAL], None) for name, way in reauthentications.items()}
    Body = create_model("ReauthenticationRequest", __base__=_OneField, **fields)  # noqa: N806
    refusals = [way.refusal for way in reauthentications.values()]
    router = APIRouter()

    @router.post(
        "/reauthenticate",
        status_code=status.HTTP_204_NO_CONTENT,
        responses=body_refused(*refusals) | UNAUTHORIZED | RATE_LIMITED,
    )
    async def reauthenticate(
        body: Body,  # type: ignore[valid-type] # known only now
        user: CurrentUser,
        client: CurrentClient,
        autocommit: Autocommit,
    ) -> None:
        """Re-authenticate, so that the session is recent for ten minutes."""
        if user.is_program:  # it has no session, and must not try passwords or codes
            raise unauthorized(token_was_sent=True)
        (name, value), *_ = ((name, value) for name, value in body if value is not None)  # type: ignore[attr-defined]
        # Looked up first: if the password or a second factor changes during the check, this request does nothing.
        account = await find_account(autocommit, user.id, client)
        if account is None:
            raise unauthorized(token_was_sent=True)
        await reauthentications[name].check(autocommit, account, value, client)
        if not await make_recent(autocommit, user, account):
            raise unauthorized(token_was_sent=True)

    return router
