"""Why a sign-in ends without a login, as the `error` of the address that the browser returns to."""

import logging
from typing import Literal

from fastapi import HTTPException, status

from app.api.oauth_errors import OAuthError
from app.auth.password_queue import PasswordQueueFullError
from app.auth.rate_limits import RateLimitedError
from app.features.sign_in.providers import InvalidAnswerError, ProviderUnavailableError

logger = logging.getLogger("app.sign_in")

Code = Literal[
    "invalid_state",  # begun in another browser, longer than ten minutes ago, or brought back already
    "access_denied",  # by the person, or by the provider
    "invalid_response",  # of the provider: it fails a check
    "temporarily_unavailable",  # the provider, or too many attempts
    "email_required",  # the provider names no address that an account can have
    "provider_email_not_verified",  # and we admit nobody before an address is verified
    "account_exists",  # log in to it, and link this login
    "account_unavailable",  # it is deactivated
    "identity_taken",  # it logs in to another account
    "too_many_identities",
    "insufficient_user_authentication",  # the login here isn't recent
    "login_required",  # nobody proved anything to the provider just now, or it doesn't say so
    "invalid_token",  # the session here has ended
]


class SignInRefusedError(Exception):
    def __init__(self, code: Code) -> None:
        super().__init__(code)
        self.code = code


REFUSALS = (
    SignInRefusedError,
    ProviderUnavailableError,
    InvalidAnswerError,
    RateLimitedError,
    PasswordQueueFullError,
    HTTPException,  # of login steps, for example
)


def parameters_of(error: Exception) -> dict[str, str]:
    """What a page needs to say what happened, or to go on: `error`, and what a login step adds to it."""
    match error:
        case SignInRefusedError():
            return {"error": error.code}
        case OAuthError():
            return {name: value for name, value in error.content.items() if name != "detail"}
        case HTTPException():
            return {"error": "invalid_token" if error.status_code == 401 else "access_denied"}
        case InvalidAnswerError():
            logger.warning("A sign-in was refused: %s", error)
            return {"error": "invalid_response"}
        case _:
            logger.warning("A sign-in was not possible: %s %s", type(error).__name__, error)
            return {"error": "temporarily_unavailable"}


def is_refused(error: Exception) -> bool:
    """Whether somebody may have tried something; a login step may only want more, and a provider be down."""
    is_session_over = isinstance(error, HTTPException) and error.status_code == status.HTTP_401_UNAUTHORIZED
    return is_session_over or isinstance(error, SignInRefusedError | InvalidAnswerError)
