"""GitHub: OAuth 2.0, and its API says who signed in. https://docs.github.com/apps/oauth-apps"""

from typing import Any

from app.features.sign_in.addresses import read_address
from app.features.sign_in.flow import Flow, challenge_of
from app.features.sign_in.openid import with_query
from app.features.sign_in.providers import InvalidAnswerError, Person, Provider
from app.features.sign_in.requests import fetch_json


def github_url(provider: Provider, flow: Flow) -> str:
    parameters = {
        "client_id": provider.client_id,
        "redirect_uri": flow.redirect_uri,
        "scope": "user:email",
        "state": flow.state,
        "code_challenge": challenge_of(flow.verifier),
        "code_challenge_method": "S256",
    }
    return with_query(f"{provider.issuer}/login/oauth/authorize", parameters)


async def sign_in_with_github(provider: Provider, flow: Flow, code: str, issuer: str) -> Person:
    """Exchange a code of GitHub's. Raises ProviderUnavailableError and InvalidAnswerError."""
    # Since April 2026 GitHub says who responds (RFC 9207), by this name.
    if issuer not in {"", f"{provider.issuer}/login/oauth"}:
        raise InvalidAnswerError(f"iss of the response is {issuer!r}")
    form = {
        "client_id": provider.client_id,
        "client_secret": provider.client_secret,
        "code": code,
        "redirect_uri": flow.redirect_uri,
        "code_verifier": flow.verifier,
    }
    tokens = await fetch_json("POST", f"{provider.issuer}/login/oauth/access_token", data=form)
    if not isinstance(tokens, dict) or not isinstance(tokens.get("access_token"), str):
        raise InvalidAnswerError("tokens: none")  # a refusal has status 200, too
    user = await _get(provider, "/user", tokens["access_token"])
    if not isinstance(user, dict) or type(user.get("id")) is not int:
        raise InvalidAnswerError("user: no id")
    emails = await _get(provider, "/user/emails", tokens["access_token"])
    if not isinstance(emails, list) or not all(isinstance(email, dict) for email in emails):
        raise InvalidAnswerError("emails: no list")
    primary: dict[str, Any] = next((email for email in emails if email.get("primary") is True), {})
    email, is_verified = read_address(primary.get("email"), primary.get("verified") is True)
    # A name can become somebody else's, the id can't.
    return Person(provider.issuer, str(user["id"]), email, is_verified)


async def _get(provider: Provider, path: str, access_token: str) -> Any:
    # Elsewhere it is a GitHub Enterprise Server.
    api = "https://api.github.com" if provider.issuer == "https://github.com" else f"{provider.issuer}/api/v3"
    headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/vnd.github+json"}
    return await fetch_json("GET", api + path, headers=headers)
