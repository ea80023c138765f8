"""`/auth/browser`: the refresh token in a cookie, for pages of our own and of BACKEND_CORS_ORIGINS only."""

import asyncio
from http.cookies import Morsel, SimpleCookie

import pytest
from httpx import AsyncClient, Response

from app.api.cookies import COOKIE
from app.core.config import settings
from app.models import User
from app.tests.helpers import PASSWORD, Json, begin, is_logged_in, login, refresh, tokens_in, try_refresh
from app.tests.other_settings import application_with, other_settings

PATH = f"{settings.api_prefix}/auth/browser"
HOST = settings.allowed_hosts[0]
OWN, APP = f"https://{HOST}", "https://app.example.com"
FROM_OWN_PAGE = {"Origin": OWN}
ROUTES = ("login", "refresh", "logout")


async def send(
    client: AsyncClient, route: str, user: User | None = None, cookie: str = "", headers: Json | None = None
) -> Response:
    form = {"username": user.email, "password": PASSWORD} if user else None
    client.cookies.clear()
    sent = {"Cookie": f"{COOKIE}={cookie}"} if cookie else {}
    return await client.post(f"/auth/browser/{route}", data=form, headers=sent | (headers or {}))


def cookie_in(response: Response) -> "Morsel[str]":
    (header,) = response.headers.get_list("Set-Cookie")
    return SimpleCookie(header)[COOKIE]


def is_cleared(response: Response) -> bool:
    cookie = cookie_in(response)
    assert cookie["path"] == PATH
    return cookie.value == "" and cookie["max-age"] == "0"


async def test_a_login_puts_the_refresh_token_into_a_cookie_that_no_script_reads(
    client: AsyncClient, default_user: User
) -> None:
    response = await send(client, "login", default_user, headers=FROM_OWN_PAGE)
    tokens, cookie = tokens_in(response), cookie_in(response)
    assert response.headers["Cache-Control"] == "no-store"
    assert tokens.keys() == (await login(client, default_user)).keys() - {"refresh_token"}
    assert cookie.value not in response.text
    assert COOKIE.startswith("__Secure-")
    assert (cookie["httponly"], cookie["secure"], cookie["samesite"].lower()) == (True, True, "strict")
    assert (cookie["path"], cookie["domain"]) == (PATH, "")
    assert int(cookie["max-age"]) == tokens["refresh_token_expires_at"] - tokens["issued_at"] == 28 * 24 * 60 * 60
    assert await is_logged_in(client, tokens)


async def test_a_refresh_gives_the_next_cookie_and_spends_the_one_before(
    client: AsyncClient, default_user: User
) -> None:
    first = cookie_in(await send(client, "login", default_user, headers=FROM_OWN_PAGE)).value
    response = await send(client, "refresh", cookie=first, headers=FROM_OWN_PAGE)
    second = cookie_in(response)
    assert second.value != first
    assert await is_logged_in(client, tokens_in(response))
    third = await send(client, "refresh", cookie=second.value, headers=FROM_OWN_PAGE)
    replayed = await send(client, "refresh", cookie=first, headers=FROM_OWN_PAGE)
    assert (replayed.status_code, replayed.json()["detail"]) == (400, "Invalid refresh token")
    assert is_cleared(replayed)
    assert not await is_logged_in(client, third.json())


async def test_a_cookie_lives_no_longer_than_its_session(client: AsyncClient, default_user: User) -> None:
    with other_settings(SESSION_MAX_DAYS="1"):
        response = await send(client, "login", default_user)
    assert cookie_in(response)["max-age"] == str(24 * 60 * 60)


async def test_two_tabs_that_refresh_at_once_stay_logged_in(client: AsyncClient, default_user: User) -> None:
    cookie = cookie_in(await send(client, "login", default_user, headers=FROM_OWN_PAGE)).value
    tabs = await asyncio.gather(*(send(client, "refresh", cookie=cookie, headers=FROM_OWN_PAGE) for _ in range(2)))
    assert [await is_logged_in(client, tokens_in(tab)) for tab in tabs] == [True, True]
    assert cookie_in(tabs[0]).value == cookie_in(tabs[1]).value


@pytest.mark.parametrize("cookie", ["", "nonsense", "A" * 5000, '"\\000"', "a=b=c"])
async def test_a_refresh_without_a_good_cookie_is_refused_and_clears_it(client: AsyncClient, cookie: str) -> None:
    response = await send(client, "refresh", cookie=cookie, headers=FROM_OWN_PAGE)
    assert response.status_code == 400
    assert response.json() == {"detail": "Invalid refresh token", "error": "invalid_grant"}
    assert is_cleared(response)


async def test_a_logout_ends_the_session_and_clears_the_cookie(client: AsyncClient, default_user: User) -> None:
    response = await send(client, "login", default_user, headers=FROM_OWN_PAGE)
    cookie = cookie_in(response).value
    for _ in range(2):
        ended = await send(client, "logout", cookie=cookie, headers=FROM_OWN_PAGE)
        assert (ended.status_code, ended.content) == (204, b"")
        assert is_cleared(ended)
    assert not await is_logged_in(client, response.json())
    for nothing in ("", "nonsense"):
        ended = await send(client, "logout", cookie=nothing, headers=FROM_OWN_PAGE)
        assert ended.status_code == 204
        assert is_cleared(ended)


async def test_a_login_is_refused_as_ever(client: AsyncClient, default_user: User) -> None:
    form = {"username": default_user.email, "password": "wrong"}
    response = await client.post("/auth/browser/login", data=form)
    assert response.status_code == 400
    assert response.json() == {"detail": "Incorrect email or password", "error": "invalid_grant"}
    assert "Set-Cookie" not in response.headers
    tokens = await begin(default_user)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert (await client.post("/auth/browser/login", data=form)).status_code == 422


FOREIGN = [
    {"Origin": "https://attacker.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": f"https://{HOST}.attacker.example"},
    {"Origin": f"https://attacker.example/{HOST}"},
    {"Origin": f"https://{HOST}:8443"},
    {"Origin": f"http://{HOST}"},
    {"Origin": HOST},
    {"Origin": "https://another.app.example.com"},
    {"Origin": "http://app.example.com"},
    {"Origin": "https://attacker.example", "Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": ""},
]
ALLOWED = [
    {},
    {"Origin": OWN},
    {"Origin": OWN, "Sec-Fetch-Site": "same-origin"},
    {"Origin": APP, "Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_another_sites_page_can_neither_log_in_nor_refresh_nor_log_out(
    client: AsyncClient, default_user: User, headers: dict[str, str]
) -> None:
    response = await send(client, "login", default_user)
    cookie, tokens = cookie_in(response).value, response.json()
    for route in ROUTES:
        user = default_user if route == "login" else None
        refused = await send(client, route, user, cookie, headers=headers)
        assert refused.status_code == 403
        assert refused.json() == {"detail": "Requests of other sites are refused", "error": "access_denied"}
        assert "Set-Cookie" not in refused.headers
    assert await is_logged_in(client, tokens)
    assert (await send(client, "refresh", cookie=cookie)).status_code == 200


@pytest.mark.parametrize("headers", ALLOWED, ids=str)
async def test_our_own_pages_and_those_of_an_allowed_origin_can(
    client: AsyncClient, default_user: User, headers: dict[str, str]
) -> None:
    cookie = cookie_in(await send(client, "login", default_user, headers=headers)).value
    response = await send(client, "refresh", cookie=cookie, headers=headers)
    assert response.status_code == 200
    ended = await send(client, "logout", cookie=cookie_in(response).value, headers=headers)
    assert ended.status_code == 204


async def test_where_a_proxy_changes_the_host_public_url_is_our_own(client: AsyncClient, default_user: User) -> None:
    public = "https://public.example.com:8443"
    with other_settings(PUBLIC_URL=public):
        assert (await send(client, "login", default_user, headers={"Origin": public})).status_code == 200
    assert (await send(client, "login", default_user, headers={"Origin": public})).status_code == 403


async def test_behind_a_proxy_that_ends_tls_https_is_our_own_too(client: AsyncClient, default_user: User) -> None:
    client.base_url = f"http://{HOST}{settings.api_prefix}"
    for origin in (f"http://{HOST}", f"https://{HOST}"):
        assert (await send(client, "login", default_user, headers={"Origin": origin})).status_code == 200


async def test_where_public_url_is_https_a_page_that_came_over_plain_http_is_not_ours(
    client: AsyncClient, default_user: User
) -> None:
    client.base_url = f"http://{HOST}{settings.api_prefix}"
    with other_settings(PUBLIC_URL="https://public.example.com"):
        for origin, status in ((f"http://{HOST}", 403), ("http://public.example.com", 403), (f"https://{HOST}", 200)):
            assert (await send(client, "login", default_user, headers={"Origin": origin})).status_code == status


async def test_a_proxy_may_write_the_host_in_another_way_than_browsers(client: AsyncClient, default_user: User) -> None:
    headers = {"Origin": f"https://{HOST}", "Host": f"{HOST.upper()}:443"}
    assert (await send(client, "login", default_user, headers=headers)).status_code == 200
    headers["Host"] = f"{HOST}:8443"
    assert (await send(client, "login", default_user, headers=headers)).status_code == 403


async def test_an_application_that_is_no_web_page_can_be_allowed(default_user: User) -> None:
    async with application_with(BACKEND_CORS_ORIGINS="capacitor://localhost") as client:
        for origin, status in (("capacitor://localhost", 200), ("capacitor://elsewhere", 403)):
            response = await send(client, "login", default_user, headers={"Origin": origin})
            assert response.status_code == status
            assert response.headers.get("Access-Control-Allow-Origin") == (origin if status == 200 else None)


async def test_a_wildcard_lets_no_other_origin_send_the_cookie(default_user: User) -> None:
    async with application_with(BACKEND_CORS_ORIGINS="*") as client:
        response = await send(client, "login", default_user, headers={"Origin": "https://attacker.example"})
        assert response.status_code == 403
        assert "Access-Control-Allow-Origin" not in response.headers


async def preflight(client: AsyncClient, path: str, origin: str) -> Response:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return await client.options(path, headers=headers)


async def test_only_these_routes_share_credentials_and_only_with_allowed_origins(
    client: AsyncClient, default_user: User
) -> None:
    client.event_hooks = {}
    allowed = await preflight(client, "/auth/browser/refresh", APP)
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == APP
    assert allowed.headers["Access-Control-Allow-Credentials"] == "true"
    foreign = await preflight(client, "/auth/browser/refresh", "https://attacker.example")
    assert foreign.status_code == 400
    assert "Access-Control-Allow-Origin" not in foreign.headers
    for path in ("/auth/access-token", "/users/me", "/auth/browserx", "/auth/browser"):
        assert "Access-Control-Allow-Credentials" not in (await preflight(client, path, APP)).headers
    sent = await send(client, "login", default_user, headers={"Origin": APP})
    assert sent.headers["Access-Control-Allow-Credentials"] == "true"
    assert sent.headers["Access-Control-Allow-Origin"] == APP
    assert "Access-Control-Allow-Credentials" not in (await client.get("/users/me", headers={"Origin": APP})).headers


async def test_without_allowed_origins_nothing_is_shared(default_user: User) -> None:
    async with application_with(BACKEND_CORS_ORIGINS="") as client:
        response = await send(client, "login", default_user, headers={"Origin": APP})
        assert response.status_code == 403
        assert not [name for name in response.headers if name.startswith("access-control")]


async def test_no_other_route_looks_at_the_cookie(client: AsyncClient, default_user: User) -> None:
    response = await send(client, "login", default_user)
    cookie = {"Cookie": f"{COOKIE}={cookie_in(response).value}"}
    assert (await client.get("/users/me", headers=cookie)).status_code == 401
    assert (await client.post("/auth/logout-all", headers=cookie)).status_code == 401
    for path in ("/auth/refresh-token", "/auth/logout", "/auth/access-token", "/auth/revoke"):
        assert (await client.post(path, headers=cookie)).status_code == 422
    assert await is_logged_in(client, response.json())


async def test_a_cookie_is_a_refresh_token_like_any_other(client: AsyncClient, default_user: User) -> None:
    """So a password change, a revoked session or a replay ends it, too."""
    cookie = cookie_in(await send(client, "login", default_user)).value.strip('"')
    second = await refresh(client, {"refresh_token": cookie})
    await refresh(client, second)
    assert (await try_refresh(client, cookie)).status_code == 400
    assert (await send(client, "refresh", cookie=second["refresh_token"])).status_code == 400
