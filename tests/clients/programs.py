"""Python's OAuth clients with an API key, each as its documentation shows it: `programs.py URL ID KEY`."""

import os
import sys
import time

API, KEY_ID, KEY = sys.argv[1:]
TOKEN_URL, REVOKE_URL = f"{API}/auth/access-token", f"{API}/auth/revoke"
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # plain HTTP


def with_authlib(method: str) -> None:
    from authlib.integrations.base_client import OAuthError
    from authlib.integrations.requests_client import OAuth2Session

    def session(secret: str) -> OAuth2Session:
        return OAuth2Session(
            KEY_ID,
            secret,
            scope="account",
            token_endpoint=TOKEN_URL,
            token_endpoint_auth_method=method,
            grant_type="client_credentials",
        )

    try:
        session("wrong").fetch_token()
    except OAuthError as error:
        assert error.error == "invalid_client", error
    else:
        raise AssertionError("a wrong secret raised nothing")
    client = session(KEY)
    first = client.fetch_token()
    assert (first["scope"], "refresh_token" in first) == ("account", False)
    assert client.get(f"{API}/auth/sessions").status_code == 200
    client.token = dict(first, expires_at=time.time() - 1)
    assert client.get(f"{API}/users/me").status_code == 200
    assert client.token["access_token"] != first["access_token"], "it did not get the next token by itself"
    assert client.revoke_token(REVOKE_URL, token=client.token["access_token"]).status_code == 200
    assert client.get(f"{API}/users/me").status_code == 401


def with_requests_oauthlib() -> None:
    from oauthlib.oauth2 import BackendApplicationClient, InvalidClientError, InvalidScopeError
    from requests_oauthlib import OAuth2Session

    for secret, scope, error in (("wrong", "account", InvalidClientError), (KEY, "users:write", InvalidScopeError)):
        client = OAuth2Session(client=BackendApplicationClient(client_id=KEY_ID, scope=[scope]))
        try:
            client.fetch_token(TOKEN_URL, client_id=KEY_ID, client_secret=secret)
        except error:
            pass
        else:
            raise AssertionError(f"{error.__name__} wasn't raised")
    for in_the_form in (False, True):
        client = OAuth2Session(client=BackendApplicationClient(client_id=KEY_ID))
        client.fetch_token(TOKEN_URL, client_secret=KEY, include_client_id=in_the_form or None)
        assert client.get(f"{API}/users/me").status_code == 200


for method in ("client_secret_basic", "client_secret_post"):
    with_authlib(method)
with_requests_oauthlib()
