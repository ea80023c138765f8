"""Python's OAuth clients and PyJWT, each as its documentation shows it: `python_clients.py URL EMAIL PASSWORD`."""

import os
import sys
import time

API, EMAIL, PASSWORD = sys.argv[1:]
TOKEN_URL, REVOKE_URL = f"{API}/auth/access-token", f"{API}/auth/revoke"
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # plain HTTP


def with_authlib() -> str:
    from authlib.integrations.base_client import OAuthError
    from authlib.integrations.requests_client import OAuth2Session

    renewed = []
    client = OAuth2Session(
        token_endpoint=TOKEN_URL,
        token_endpoint_auth_method="none",
        update_token=lambda token, **_: renewed.append(token),
    )
    try:
        client.fetch_token(username=EMAIL, password="wrong")
    except OAuthError as error:
        assert error.error == "invalid_grant", error
    else:
        raise AssertionError("a wrong password raised nothing")
    first = client.fetch_token(username=EMAIL, password=PASSWORD)
    assert client.get(f"{API}/users/me").json()["email"] == EMAIL
    client.token = dict(first, expires_at=time.time() - 1)
    assert client.get(f"{API}/users/me").status_code == 200
    assert renewed, "it did not refresh by itself"
    assert client.token["refresh_token"] != first["refresh_token"]
    assert client.revoke_token(REVOKE_URL, token=client.token["refresh_token"]).status_code == 200
    assert client.get(f"{API}/users/me").status_code == 401
    try:
        client.refresh_token(TOKEN_URL)
    except OAuthError as error:
        assert error.error == "invalid_grant", error
    else:
        raise AssertionError("a failed refresh raised nothing")
    return str(client.token["access_token"])


def with_requests_oauthlib() -> None:
    import requests
    from oauthlib.oauth2 import InvalidGrantError, LegacyApplicationClient
    from requests_oauthlib import OAuth2Session

    renewed = []
    oauth = LegacyApplicationClient(client_id="any")
    client = OAuth2Session(client=oauth, auto_refresh_url=TOKEN_URL, token_updater=renewed.append)
    try:
        client.fetch_token(TOKEN_URL, username=EMAIL, password="wrong")
    except InvalidGrantError:
        pass
    else:
        raise AssertionError("a wrong password raised nothing")
    client.fetch_token(TOKEN_URL, username=EMAIL, password=PASSWORD)
    client.token = dict(client.token, expires_at=time.time() - 1)
    assert client.get(f"{API}/users/me").json()["email"] == EMAIL
    assert renewed, "it did not refresh by itself"
    url, headers, body = oauth.prepare_token_revocation_request(REVOKE_URL, renewed[-1]["refresh_token"])
    assert requests.post(url, headers=headers, data=body, timeout=30).status_code == 200
    assert client.get(f"{API}/users/me").status_code == 401
    try:
        client.refresh_token(TOKEN_URL)
    except InvalidGrantError:
        pass
    else:
        raise AssertionError("a failed refresh raised nothing")


def with_pyjwt(token: str) -> None:
    import jwt

    key = jwt.PyJWKClient(f"{API}/.well-known/jwks.json").get_signing_key_from_jwt(token)
    required = ["exp", "iat", "sub", "sid", "jti", "client_id"]
    decoded = jwt.decode_complete(
        token, key, [key.algorithm_name], audience=API, issuer=API, options={"require": required}
    )
    assert (decoded["header"]["typ"], decoded["header"]["alg"]) == ("at+jwt", "ES256")


with_pyjwt(with_authlib())
with_requests_oauthlib()
