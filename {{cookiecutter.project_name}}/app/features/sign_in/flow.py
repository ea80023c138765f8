"""A sign-in under way: what one browser has to bring back from a provider, sealed in a cookie, within ten minutes."""

import base64
import hashlib
import hmac
import secrets
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal, TypeVar

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from fastapi import Cookie, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.dialects.postgresql import insert

from app.auth.expired import expired_rows
from app.core.config import settings
from app.core.database import Database
from app.core.security import derive_key
from app.features.sign_in.models import SpentSignIn
from app.features.sign_in.providers import Provider

LIFETIME: Final = timedelta(minutes=10)
CODE_LIFETIME: Final = timedelta(minutes=1)
LIMIT: Final = (600, timedelta(seconds=2))  # at once of a client, and the time until one more
COOKIE: Final = "__Secure-sign_in"

FlowCookie = Annotated[str, Cookie(alias=COOKIE, max_length=4096)]
Purpose = Literal["login", "link", "reauthentication"]
Sealed = TypeVar("Sealed", bound=BaseModel)


def random_text() -> str:
    return secrets.token_urlsafe(32)


class Flow(BaseModel):
    """`state` is against foreign callbacks, `nonce` against foreign ID tokens, `verifier` against stolen codes."""

    provider: str
    redirect_uri: str
    return_to: str
    purpose: Purpose = "login"
    # Of the logged in caller, who links a login or re-authenticates.
    user_id: uuid.UUID | None = None
    session_id: uuid.UUID | None = None
    # Of an application that isn't a page (RFC 7636): it gets a code instead of the cookie.
    code_challenge: str | None = None
    state: str = Field(default_factory=random_text)
    nonce: str = Field(default_factory=random_text)
    verifier: str = Field(default_factory=random_text)
    begun_at: float = Field(default_factory=time.time)


class AppCode(BaseModel):
    """What an application exchanges for tokens, once."""

    provider: str
    user_id: uuid.UUID
    account: list[str]  # its state: a new password or a change of factors ends the code
    code_challenge: str
    state: str = Field(default_factory=random_text)


def seal(content: BaseModel) -> str:
    return _sealer(content).encrypt(content.model_dump_json(exclude_none=True).encode()).decode()


def unseal(kind: type[Sealed], sealed: str, lifetime: timedelta) -> Sealed | None:
    """What `seal` was given; None if it was something else, or longer ago."""
    try:
        return kind.model_validate_json(_sealer(kind).decrypt(sealed, ttl=int(lifetime.total_seconds())))
    except (InvalidToken, ValueError):  # ValueError: no ASCII
        return None


def _sealer(kind: BaseModel | type[BaseModel]) -> MultiFernet:
    name = kind.__name__ if isinstance(kind, type) else type(kind).__name__
    keys = [base64.urlsafe_b64encode(derive_key(key, f"sign-in {name}")) for key in settings.secret_keys]
    return MultiFernet([Fernet(key) for key in keys])


def challenge_of(verifier: str) -> str:
    """RFC 7636 section 4.2: S256."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def set_flow_cookie(response: Response, flow: Flow) -> None:
    # Lax: it has to come along when the provider sends the browser back.
    response.set_cookie(
        COOKIE,
        seal(flow),
        max_age=int(LIFETIME.total_seconds()),
        path=_callback_path(flow.provider),
        secure=True,
        httponly=True,
        samesite="lax",
    )


def clear_flow_cookie(response: Response, provider: Provider) -> None:
    response.delete_cookie(COOKIE, _callback_path(provider.id), secure=True, httponly=True, samesite="lax")


def read_flow(cookie: str, provider: Provider, state: str) -> Flow | None:
    """The flow that this browser began with this provider, if the callback belongs to it."""
    flow = unseal(Flow, cookie, LIFETIME) if cookie else None
    is_ours = flow and flow.provider == provider.id and hmac.compare_digest(flow.state.encode(), state.encode())
    return flow if is_ours else None


def callback_url(request: Request, provider: Provider) -> str:
    """Where the provider sends the browser back to; without PUBLIC_URL, in development, the host of this request."""
    base = settings.public_url or f"{request.url.scheme}://{request.url.netloc}"
    return base + _callback_path(provider.id)


def _callback_path(provider_id: str) -> str:
    return f"{settings.api_prefix}/auth/providers/{provider_id}/callback"


async def spend(database: Database, content: Flow | AppCode) -> bool:
    """Whether this is its first use."""
    # Kept for longer than it is good, as the database's clock may be ahead of ours.
    kept_until = datetime.now(UTC) + 2 * LIFETIME
    new = insert(SpentSignIn).values(state=content.state, expires_at=kept_until).on_conflict_do_nothing()
    return await database.execute(new.add_cte(expired_rows(SpentSignIn.expires_at))) == 1
