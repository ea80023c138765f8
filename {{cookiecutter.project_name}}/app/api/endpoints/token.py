"""The token endpoint (RFC 6749) and revocation (RFC 7009): what any OAuth client can speak to."""

from functools import reduce
from operator import or_
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from pydantic import create_model

from app.api.deps import Autocommit, CurrentClient
from app.api.errors import BODY, RATE_LIMITED, UNAVAILABLE
from app.api.grants import INCORRECT_LOGIN, INCORRECT_REFRESH_TOKEN, grants, log_in, refresh
from app.api.oauth_errors import OAuthError, OAuthRoute, Refusal, with_codes
from app.auth.caller import bearer_of
from app.auth.sessions import revoke
from app.schemas.requests import RevocationForm, TokenForm
from app.schemas.responses import TokenResponse

router = APIRouter(route_class=OAuthRoute)

DESCRIPTION = """Log in with an email address and a password, or exchange a refresh token, once, for new tokens.

For these, clients have no secret: a `client_id` and an `Authorization: Basic` header are ignored."""
UNSUPPORTED_GRANT_TYPE = Refusal("unsupported_grant_type", "Unsupported grant type")


def login_router() -> APIRouter:
    """The token endpoint, whose form has the parameters of each grant that features know."""
    forms: list[Any] = [TokenForm, *(grant.form for grant in grants.values())]
    Parameters: Any = create_model("TokenForm", __base__=tuple(forms), __doc__=TokenForm.__doc__)  # noqa: N806
    Issued: Any = reduce(or_, (grant.response for grant in grants.values()), TokenResponse)  # noqa: N806
    errors = reduce(or_, (grant.errors for grant in grants.values()), BODY | RATE_LIMITED)
    refusals = [INCORRECT_LOGIN, INCORRECT_REFRESH_TOKEN, UNSUPPORTED_GRANT_TYPE]
    refusals += [refusal for grant in grants.values() for refusal in grant.refusals]
    login_router = APIRouter(route_class=OAuthRoute)

    @login_router.post(
        "/access-token",
        responses=with_codes(errors, *refusals),
        description="\n\n".join([DESCRIPTION, *(grant.description for grant in grants.values())]),
    )
    async def login_access_token(
        form: Annotated[Parameters, Form()], request: Request, client: CurrentClient, autocommit: Autocommit
    ) -> Issued:
        match form.grant_type:
            case "password":
                tokens = await log_in(autocommit, form.username, form.password, client)
            case "refresh_token":
                tokens = await refresh(autocommit, form.refresh_token, client)
            case other if other in grants:
                return await grants[other].issue(autocommit, form, request, client)
            case _:
                raise OAuthError(UNSUPPORTED_GRANT_TYPE)
        return TokenResponse.model_validate(tokens)

    return login_router


@router.post("/revoke", response_class=Response, responses=with_codes(BODY | UNAVAILABLE))
async def revoke_token(form: Annotated[RevocationForm, Form()], client: CurrentClient, autocommit: Autocommit) -> None:
    """End the session of a refresh token or an access token; a token that nobody issued is as good as ended."""
    if bearer := bearer_of(form.token):
        await bearer.end(autocommit, form.token, client)
    else:
        await revoke(autocommit, form.token, client)
