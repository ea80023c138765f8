"""OpenID Connect: where a browser signs in, and what the ID token that comes back proves.

joserfc checks the signature, the types and the times. The rest is here: OpenID Connect Core section 3.1.3.7, RFC 9207.
The key and the algorithm are the provider's, whatever a token says of them.
"""

import base64
import hashlib
import hmac
import re
import time
from typing import Any, Final
from urllib.parse import quote, urlencode

import httpx
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import import_key

from app.features.sign_in.addresses import read_address
from app.features.sign_in.discovery import Configuration, configuration_of, key_of
from app.features.sign_in.flow import Flow, challenge_of
from app.features.sign_in.models import SUBJECT_MAX_LENGTH
from app.features.sign_in.providers import InvalidAnswerError, Person, Provider
from app.features.sign_in.requests import fetch_json
from app.features.sign_in.settings import GUID

MAX_CLOCK_SKEW: Final = 60  # seconds between the provider's clock and ours
# None that is signed with the client's secret, and not `none`.
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
Claims = dict[str, Any]


async def authorization_url(provider: Provider, flow: Flow) -> str:
    """Raises ProviderUnavailableError and InvalidAnswerError."""
    configuration = await configuration_of(provider)
    parameters = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": flow.redirect_uri,
        "scope": provider.scope,
        "state": flow.state,
        "nonce": flow.nonce,
        "code_challenge": challenge_of(flow.verifier),
        "code_challenge_method": "S256",
    }
    if provider.response_mode != "query":
        parameters["response_mode"] = provider.response_mode
    if flow.purpose == "reauthentication":
        parameters |= {"prompt": "login", "max_age": "0"}
    return with_query(configuration.authorization_endpoint, parameters)


def with_query(url: str, parameters: dict[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters, quote_via=quote)}"


async def sign_in_with_openid(provider: Provider, flow: Flow, code: str, issuer: str) -> Person:
    """Exchange a code of the provider, whom the callback calls by `issuer`, or by nothing.

    Raises ProviderUnavailableError and InvalidAnswerError.
    """
    configuration = await configuration_of(provider)
    if issuer != configuration.issuer and (issuer or configuration.authorization_response_iss_parameter_supported):
        raise InvalidAnswerError(f"iss of the response is {issuer!r}")  # RFC 9207: a mix-up
    tokens = await _exchange(provider, configuration, flow, code)
    access_token = str(tokens.get("access_token", ""))
    claims = await _claims_of(str(tokens.get("id_token", "")), provider, configuration, flow, access_token)
    if "email" in claims or not configuration.userinfo_endpoint:
        return _person(provider, claims, claims)
    # Some providers say more there than in the ID token; the ID token says of whom.
    headers = {"Authorization": f"Bearer {access_token}"}
    more = await fetch_json("GET", configuration.userinfo_endpoint, headers=headers)
    if not isinstance(more, dict) or more.get("sub") != claims["sub"]:
        raise InvalidAnswerError("userinfo is of somebody else")
    return _person(provider, claims, more)


async def _exchange(provider: Provider, configuration: Configuration, flow: Flow, code: str) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": flow.redirect_uri,
        "code_verifier": flow.verifier,
    }
    basic = None
    if "client_secret_basic" in configuration.token_endpoint_auth_methods_supported:
        # RFC 6749 section 2.3.1: both are encoded before they are joined.
        basic = httpx.BasicAuth(quote(provider.client_id, safe=""), quote(provider.client_secret, safe=""))
    else:
        form |= {"client_id": provider.client_id, "client_secret": provider.client_secret}
    tokens = await fetch_json("POST", configuration.token_endpoint, data=form, auth=basic)
    if not isinstance(tokens, dict):
        raise InvalidAnswerError("tokens: no object")
    return tokens


async def _claims_of(
    id_token: str, provider: Provider, configuration: Configuration, flow: Flow, access_token: str
) -> Claims:
    """The claims of an ID token that passes every check. Raises InvalidAnswerError for any other."""
    algorithms = set(ALGORITHMS) & set(configuration.id_token_signing_alg_values_supported)
    if not algorithms:  # joserfc would have defaults of its own
        raise InvalidAnswerError("the configuration lists no algorithm that we accept")
    try:
        key_id = jws.extract_compact(id_token.encode()).headers().get("kid")
        key = await key_of(configuration, key_id if isinstance(key_id, str) else None)
        # Unknown header fields are ignored (RFC 7515 section 4), `crit` is not.
        registry = jws.JWSRegistry(algorithms=algorithms, strict_check_header=False)
        token = jwt.decode(id_token, import_key(key), registry=registry)
        _check(token.claims, provider, configuration, flow, key)
        _check_at_hash(token, access_token)
    # Of keys and tokens that aren't what they should be, not all errors are joserfc's.
    except (JoseError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise InvalidAnswerError(f"ID token: {type(error).__name__} {error}") from None
    return token.claims


def _check(claims: Claims, provider: Provider, configuration: Configuration, flow: Flow, key: dict[str, Any]) -> None:
    issuer = configuration.issuer
    if provider.is_microsoft:
        tenant = str(claims.get("tid"))
        if not re.fullmatch(GUID, tenant):
            raise ValueError("tid")
        issuer = issuer.replace("{tenantid}", tenant)
        # Microsoft says of each key whose tokens it signs.
        if str(key.get("issuer", issuer)).replace("{tenantid}", tenant) != issuer:
            raise ValueError("signed for another tenant")
    jwt.JWTClaimsRegistry(
        now=int(time.time()),
        leeway=MAX_CLOCK_SKEW,
        iss={"essential": True, "value": issuer},
        sub={"essential": True},
        aud={"essential": True, "value": provider.client_id},
        exp={"essential": True},
        iat={"essential": True},
    ).validate(claims)
    if claims.get("nonce") != flow.nonce:
        raise ValueError("nonce")
    others = isinstance(claims["aud"], list) and set(claims["aud"]) != {provider.client_id}
    if claims.get("azp", None if others else provider.client_id) != provider.client_id:
        raise ValueError("azp")
    subject = claims["sub"]
    if not 0 < len(subject) <= SUBJECT_MAX_LENGTH or not (subject.isascii() and subject.isprintable()):
        raise ValueError("sub")


def _check_at_hash(token: jwt.Token, access_token: str) -> None:
    if "at_hash" in token.claims:
        digest = hashlib.new(f"sha{token.header['alg'][-3:]}", access_token.encode()).digest()
        expected = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
        if not hmac.compare_digest(expected, token.claims["at_hash"].encode()):
            raise ValueError("at_hash")


def _person(provider: Provider, claims: Claims, about: Claims) -> Person:
    # Whoever runs a tenant of Microsoft's can write any address into it, unless its domain is known to be the tenant's.
    is_verified = about.get("xms_edov" if provider.is_microsoft else "email_verified")
    email, is_verified = read_address(about.get("email"), is_verified in (True, "true", "1"))
    authenticated_at = claims.get("auth_time")
    is_time = isinstance(authenticated_at, int | float)
    return Person(claims["iss"], claims["sub"], email, is_verified, authenticated_at if is_time else None)
