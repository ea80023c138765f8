"""Google, Microsoft and GitHub, each with what is its own."""

from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from httpx import AsyncClient

from app.features.sign_in import discovery
from app.features.sign_in.flow import challenge_of
from app.features.sign_in.providers import Provider, provider_of
from app.features.sign_in.settings import CONSUMERS, ProviderSettings, sign_in_settings
from app.features.sign_in.tests.helpers import PAGE, accounts, begin, come_back, error_of, identities
from app.features.sign_in.tests.provider import FakeProvider, Network

TENANT, OTHER_TENANT = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490", "72f988bf-86f1-41af-91ab-2d7cd011db47"
MICROSOFT = "https://login.microsoftonline.com"


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Any:
    def choose(provider_id: str, **more: str) -> Provider:
        given = {"client_id": "us", "client_secret": "secret of the company"} | more
        monkeypatch.setitem(sign_in_settings.sign_in, provider_id, ProviderSettings.model_validate(given))
        return provider_of(provider_id)

    return choose


def test_known_providers_need_no_issuer(choose: Any) -> None:
    assert choose("google")[1:3] == ("Google", "https://accounts.google.com")
    assert choose("github")[1:3] == ("GitHub", "https://github.com")
    assert choose("microsoft", tenant="common")[1:3] == ("Microsoft", f"{MICROSOFT}/common/v2.0")
    assert choose("microsoft", tenant="consumers").issuer == f"{MICROSOFT}/{CONSUMERS}/v2.0"
    assert choose("acme_staff", issuer="https://a.example").name == "Acme Staff"
    assert choose("acme", issuer="https://a.example", name="ACME").name == "ACME"


async def sign_in_at_microsoft(client: AsyncClient, microsoft: FakeProvider) -> str:
    discovery._documents.clear()
    answer = microsoft.authorize(await begin(client, "microsoft")) | {"iss": ""}
    return (await come_back(client, answer, "microsoft")).headers["Location"]


@pytest.fixture
def microsoft(network: Network) -> FakeProvider:
    microsoft = network.add(FakeProvider(f"{MICROSOFT}/common/v2.0"))
    microsoft.configuration |= {
        "issuer": f"{MICROSOFT}/{{tenantid}}/v2.0",
        "authorization_response_iss_parameter_supported": False,
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
    }
    microsoft.claims = {"iss": f"{MICROSOFT}/{TENANT}/v2.0", "tid": TENANT}
    return microsoft


async def test_the_tenant_of_microsoft_is_part_of_the_issuer(
    client: AsyncClient, microsoft: FakeProvider, choose: Any
) -> None:
    choose("microsoft", tenant="organizations")
    assert await begin(client, "microsoft") == f"{PAGE}#error=invalid_response"  # it is for others
    choose("microsoft", tenant="common")
    assert await sign_in_at_microsoft(client, microsoft) == PAGE
    for claims in (
        {"tid": OTHER_TENANT},
        {"tid": None},
        {"tid": "{tenantid}", "iss": f"{MICROSOFT}/{{tenantid}}/v2.0"},
        {"tid": f"{TENANT}/../{OTHER_TENANT}"},
        {"iss": f"{MICROSOFT}/common/v2.0"},
    ):
        original, microsoft.claims = microsoft.claims, microsoft.claims | claims
        assert error_of(await sign_in_at_microsoft(client, microsoft)) == "invalid_response"
        microsoft.claims = original
    key = microsoft.key.as_dict(private=False)
    for issuer, error in (
        (f"{MICROSOFT}/{OTHER_TENANT}/v2.0", "invalid_response"),
        (f"{MICROSOFT}/{{tenantid}}/v2.0", ""),
        (f"{MICROSOFT}/{TENANT}/v2.0", ""),
    ):
        keys = {"keys": [key | {"issuer": issuer}]}
        microsoft.responses["/common/v2.0/keys"] = httpx.Response(200, json=keys)
        assert error_of(await sign_in_at_microsoft(client, microsoft)) == error


async def test_an_address_of_microsoft_is_verified_only_if_its_domain_is_the_tenants(
    client: AsyncClient, microsoft: FakeProvider, choose: Any
) -> None:
    """Whoever runs a tenant can write any address into it (nOAuth)."""
    choose("microsoft", tenant="common")
    for number, (edov, is_verified) in enumerate(((None, False), (False, False), (True, True), ("1", True))):
        microsoft.person = {"sub": str(number), "email": f"{number}@example.com", "email_verified": True}
        microsoft.claims["xms_edov"] = edov
        assert await sign_in_at_microsoft(client, microsoft) == PAGE
        assert (await accounts())[-1] == (f"{number}@example.com", False, is_verified)


async def test_one_tenant_of_microsoft_keeps_all_others_out(client: AsyncClient, network: Network, choose: Any) -> None:
    choose("microsoft", tenant=TENANT)
    microsoft = network.add(FakeProvider(f"{MICROSOFT}/{TENANT}/v2.0"))
    assert await sign_in_at_microsoft(client, microsoft) != PAGE  # iss is announced, and missing
    microsoft.configuration["authorization_response_iss_parameter_supported"] = False
    microsoft.claims["tid"] = TENANT
    assert await sign_in_at_microsoft(client, microsoft) == PAGE
    microsoft.claims = {"tid": OTHER_TENANT, "iss": f"{MICROSOFT}/{OTHER_TENANT}/v2.0"}
    assert error_of(await sign_in_at_microsoft(client, microsoft)) == "invalid_response"


async def test_a_provider_that_wants_the_secret_in_the_form_gets_it_there(
    client: AsyncClient, company: FakeProvider
) -> None:
    """Apple does; and it names addresses in userinfo only, as others do."""
    company.configuration["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    company.claims = {"email": None}
    assert (await come_back(client, company.authorize(await begin(client)))).headers["Location"] == PAGE
    assert await accounts() == [("ana@example.com", False, True)]
    assert company.requests[-1] == "/userinfo"


class FakeGitHub:
    """GitHub's login and the two routes of its API that matter, in one, as on a GitHub Enterprise Server."""

    issuer = "https://github.example"

    def __init__(self) -> None:
        self.user: Any = {"id": 583_231, "login": "octocat", "email": "public@example.com"}
        self.emails: Any = [
            {"email": "other@example.com", "primary": False, "verified": True},
            {"email": "ana@example.com", "primary": True, "verified": True},
        ]
        self.codes: dict[str, dict[str, str]] = {}

    def authorize(self, location: str) -> dict[str, str]:
        assert location.startswith(f"{self.issuer}/login/oauth/authorize?")
        asked = dict(parse_qsl(urlsplit(location).query))
        assert asked["scope"] == "user:email"
        self.codes["a code"] = asked
        return {"code": "a code", "state": asked["state"], "iss": f"{self.issuer}/login/oauth"}

    async def respond(self, request: httpx.Request) -> httpx.Response:
        match request.method, request.url.path:
            case "POST", "/login/oauth/access_token":
                form = {name: value for name, (value,) in parse_qs(request.content.decode()).items()}
                asked = self.codes.pop(form["code"], None)
                assert request.headers["Accept"] == "application/json"
                assert (form["client_id"], form["client_secret"]) == ("us", "secret of the company")
                if asked is None or challenge_of(form["code_verifier"]) != asked["code_challenge"]:
                    return httpx.Response(200, json={"error": "bad_verification_code"})
                return httpx.Response(200, json={"access_token": "gho_x", "scope": "user:email"})
            case "GET", path if request.headers["Authorization"] == "Bearer gho_x":
                return httpx.Response(200, json={"/api/v3/user": self.user, "/api/v3/user/emails": self.emails}[path])
        return httpx.Response(401, json={})


async def test_github_says_by_its_api_who_signed_in(client: AsyncClient, network: Network, choose: Any) -> None:
    github = FakeGitHub()
    network.hosts["github.example"] = github
    choose("github", issuer=github.issuer)

    async def sign_in() -> str:
        answer = github.authorize(await begin(client, "github"))
        return (await come_back(client, answer, "github")).headers["Location"]

    assert await sign_in() == PAGE
    assert await accounts() == [("ana@example.com", False, True)]
    assert await identities() == [("583231", "ana@example.com")]
    github.user["login"] = "renamed"
    answer = github.authorize(await begin(client, "github")) | {"iss": ""}  # as older servers respond
    assert (await come_back(client, answer, "github")).headers["Location"] == PAGE
    # A name that somebody else has now, and an address that isn't verified
    github.user["id"], github.emails[1]["verified"] = 7, False
    assert error_of(await sign_in()) == "account_exists"
    github.emails = [{"email": "other@example.com", "primary": False, "verified": True}]
    assert error_of(await sign_in()) == "email_required"
    for github.emails in ({}, ["x"], None):
        assert error_of(await sign_in()) == "invalid_response"
    for github.user in ({"id": "583231"}, {"id": True}, [], {}):
        assert error_of(await sign_in()) == "invalid_response"
    answer = github.authorize(await begin(client, "github"))
    github.codes.clear()  # it was used already: GitHub's refusal has status 200
    assert error_of((await come_back(client, answer, "github")).headers["Location"]) == "invalid_response"
    for issuer in ("https://evil.example", github.issuer):
        answer = github.authorize(await begin(client, "github")) | {"iss": issuer}
        assert error_of((await come_back(client, answer, "github")).headers["Location"]) == "invalid_response"
    assert len(await identities()) == 1


@pytest.mark.parametrize("provider", ["github", "google"])
async def test_some_can_not_say_when_somebody_logged_in_there(
    client: AsyncClient, default_user_headers: dict[str, str], choose: Any, provider: str
) -> None:
    choose(provider)
    url = f"/auth/browser/providers/{provider}/reauthenticate"
    response = await client.post(url, json={}, headers=default_user_headers)
    assert response.status_code == 400
