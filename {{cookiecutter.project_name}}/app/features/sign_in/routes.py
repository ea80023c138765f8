"""Sign in with others: a browser goes to a provider, and comes back logged in."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request, Response, status
from fastapi.responses import RedirectResponse

from app.api.cookies import with_cookie
from app.api.deps import Autocommit, CurrentClient
from app.api.errors import BODY, documented
from app.api.oauth_errors import Documented
from app.auth.accounts import Account
from app.auth.audit import audit
from app.auth.caller import Caller
from app.auth.clients import Client
from app.auth.login import finish_login
from app.auth.rate_limits import hit, limits_of_client
from app.core.database import Database
from app.features.sign_in import joining
from app.features.sign_in.app_codes import code_for
from app.features.sign_in.flow import (
    LIMIT,
    Flow,
    FlowCookie,
    callback_url,
    clear_flow_cookie,
    read_flow,
    set_flow_cookie,
    spend,
)
from app.features.sign_in.github import github_url, sign_in_with_github
from app.features.sign_in.openid import authorization_url, sign_in_with_openid, with_query
from app.features.sign_in.providers import PROVIDER_NOT_FOUND, Person, Provider, provider_of, providers
from app.features.sign_in.refusals import REFUSALS, SignInRefusedError, is_refused, parameters_of
from app.features.sign_in.return_to import REFUSED, checked, home, is_app, place_of_refusals, with_fragment
from app.features.sign_in.schemas import ProviderAnswer, ProviderResponse, SignInQuery

router = APIRouter()

GivenProvider = Annotated[Provider, Depends(provider_of)]
UNKNOWN: Final = documented(404, PROVIDER_NOT_FOUND)
CHALLENGE_MISPLACED: Final = "code_challenge belongs to an address of NATIVE_APP_SCHEMES, and to no other"
SENT_BACK: Final[Documented] = {303: {"description": "To the provider, or back with `#error=…`"}}


@router.get("/providers")
async def read_providers() -> list[ProviderResponse]:
    """List who else can say who somebody is."""
    return [ProviderResponse.model_validate(provider) for provider in providers()]


@router.get(
    "/providers/{provider_id}/login",
    status_code=status.HTTP_303_SEE_OTHER,
    response_class=RedirectResponse,
    responses=SENT_BACK | documented(400, REFUSED, CHALLENGE_MISPLACED) | UNKNOWN,
)
async def begin_sign_in(
    provider: GivenProvider,
    wanted: Annotated[SignInQuery, Query()],
    request: Request,
    client: CurrentClient,
    autocommit: Autocommit,
) -> Response:
    """Send a browser to a provider; from there it comes back to `return_to`, a path of ours or another allowed address.

    It then has the cookie of `/auth/browser`. An application that isn't a page gets `#code=…` instead: it has to send
    a `code_challenge` (RFC 7636, S256), and exchanges the code at `/auth/providers/exchange`.
    """
    flow = Flow(
        provider=provider.id,
        redirect_uri=callback_url(request, provider),
        return_to=checked(wanted.return_to or home()),
        code_challenge=wanted.code_challenge,
    )
    if is_app(flow.return_to) != bool(flow.code_challenge):
        raise HTTPException(status.HTTP_400_BAD_REQUEST, CHALLENGE_MISPLACED)
    try:
        location = await begin(autocommit, provider, flow, client)
    except REFUSALS as error:
        return back(_place_of_refusals(flow), parameters_of(error))
    response = RedirectResponse(location, status.HTTP_303_SEE_OTHER)
    set_flow_cookie(response, flow)
    return response


async def begin(database: Database, provider: Provider, flow: Flow, client: Client) -> str:
    """Where the browser signs in. Raises RateLimitedError, ProviderUnavailableError and InvalidAnswerError."""
    await hit(database, limits_of_client("sign-in", client, *LIMIT))
    return github_url(provider, flow) if provider.is_github else await authorization_url(provider, flow)


@router.get(
    "/providers/{provider_id}/callback",
    status_code=status.HTTP_303_SEE_OTHER,
    response_class=RedirectResponse,
    responses=SENT_BACK | UNKNOWN,
)
async def finish_sign_in(
    provider: GivenProvider,
    answer: Annotated[ProviderAnswer, Query()],
    client: CurrentClient,
    autocommit: Autocommit,
    cookie: FlowCookie = "",
) -> Response:
    """Take a browser back from a provider, and send it where the sign-in was to lead, with the cookie of a session."""
    flow = read_flow(cookie, provider, answer.state)
    try:
        await hit(autocommit, limits_of_client("sign-in callback", client, *LIMIT))
        if flow is None:
            raise SignInRefusedError("invalid_state")
        response = await _finish(autocommit, provider, flow, answer, client)
    except REFUSALS as error:
        if is_refused(error):
            audit("sign_in_refused", client, flow.user_id if flow else None)
        response = back(_place_of_refusals(flow), parameters_of(error))
    if flow is not None:  # else it stays: whoever made this browser call us must not end its sign-in
        clear_flow_cookie(response, provider)
    return response


@router.post(
    "/providers/{provider_id}/callback",
    status_code=status.HTTP_303_SEE_OTHER,
    response_class=RedirectResponse,
    responses=SENT_BACK | UNKNOWN | BODY,
    dependencies=[Depends(provider_of)],
)
async def receive_form_post(request: Request, answer: Annotated[ProviderAnswer, Form()]) -> Response:
    """Take a browser back from a provider that has it post a form (`form_post`): it comes again by GET.

    With a POST from another site, browsers don't send the cookie that belongs to it.
    """
    parameters = {name: value for name, value in answer.model_dump().items() if value}
    return RedirectResponse(with_query(request.url.path, parameters), status.HTTP_303_SEE_OTHER)


async def _finish(
    database: Database, provider: Provider, flow: Flow, answer: ProviderAnswer, client: Client
) -> Response:
    """The response of a sign-in that succeeds. Raises one of REFUSALS."""
    if not await spend(database, flow):
        raise SignInRefusedError("invalid_state")
    person = await _person(provider, flow, answer)
    if flow.user_id and flow.session_id:
        caller = Caller(id=flow.user_id, session_id=flow.session_id)
        if flow.purpose == "link":
            await joining.link(database, provider, person, caller, client)
        else:
            await joining.reauthenticate(database, person, flow, caller, client)
        return RedirectResponse(flow.return_to, status.HTTP_303_SEE_OTHER)
    account = await joining.account_of(database, provider, person, client)
    if flow.code_challenge:
        return back(flow.return_to, {"code": code_for(account, provider, flow.code_challenge)})
    return await _log_in(database, provider, flow, account, client)


async def _person(provider: Provider, flow: Flow, answer: ProviderAnswer) -> Person:
    match answer.error:
        case "":
            sign_in = sign_in_with_github if provider.is_github else sign_in_with_openid
            return await sign_in(provider, flow, answer.code, answer.iss)
        case "access_denied" | "temporarily_unavailable" | "login_required":
            raise SignInRefusedError(answer.error)
        case _:
            raise SignInRefusedError("access_denied")


async def _log_in(database: Database, provider: Provider, flow: Flow, account: Account, client: Client) -> Response:
    tokens = await finish_login(database, account, client, provider.id)
    if tokens is None:  # the account has changed since
        raise SignInRefusedError("account_unavailable")
    response = RedirectResponse(flow.return_to, status.HTTP_303_SEE_OTHER)
    with_cookie(tokens, response)
    return response


def _place_of_refusals(flow: Flow | None) -> str:
    if flow is None:
        return place_of_refusals(home())
    is_for_login_page = flow.purpose == "login" and not flow.code_challenge
    return place_of_refusals(flow.return_to) if is_for_login_page else flow.return_to


def back(address: str, parameters: dict[str, str]) -> Response:
    return RedirectResponse(with_fragment(address, parameters), status.HTTP_303_SEE_OTHER)
