"""Access tokens (RFC 9068, verified per RFC 8725): which are accepted or refused, and when they stop working."""

import base64
import json
import time
import uuid

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from httpx import AsyncClient
from jose import jwk, jwt
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import PROJECT, settings
from app.models import LoginSession, User
from app.tests.helpers import bearer, begin, login, recorded_statements
from app.tests.tokens import NOW, OMITTED, SECRET_KEY, forge, sign

INFINITY, NAN = float("inf"), float("nan")
NOBODY = str(uuid.uuid4())


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the application's clock at NOW, however long after the import a test runs."""
    monkeypatch.setattr(time, "time", lambda: NOW)


@pytest.fixture
async def genuine(default_user: User) -> str:
    """An access token as the application issued it."""
    return str((await begin(default_user))["access_token"])


async def status_of(client: AsyncClient, access_token: str) -> int:
    return (await client.get("/users/me", headers={"Authorization": f"Bearer {access_token}"})).status_code


async def test_an_access_token_has_the_claims_of_rfc_9068(client: AsyncClient, default_user: User) -> None:
    tokens = await login(client, default_user)
    sessions = (await client.get("/auth/sessions", headers=bearer(tokens))).json()
    header = jwt.get_unverified_header(tokens["access_token"])
    claims = jwt.get_unverified_claims(tokens["access_token"])
    assert (header["alg"], header["typ"]) == ("HS256", "at+jwt")
    assert set(claims) == {"iss", "aud", "client_id", "sub", "sid", "iat", "exp", "jti"}
    assert claims["client_id"] == PROJECT["name"]
    assert (claims["sub"], claims["sid"]) == (str(default_user.id), sessions[0]["id"])
    assert (claims["iat"], claims["exp"]) == (tokens["issued_at"], tokens["expires_at"])
    again = await login(client, default_user)
    assert jwt.get_unverified_claims(again["access_token"])["jti"] != claims["jti"]


async def test_a_token_that_is_signed_again_unchanged_is_accepted(client: AsyncClient, genuine: str) -> None:
    """Otherwise the tests below would prove nothing."""
    assert await status_of(client, forge(genuine)) == 200
    assert await status_of(client, forge(genuine, {"iat": NOW - 60, "exp": NOW + 60})) == 200


async def test_a_genuine_token_of_absurd_length_is_refused(client: AsyncClient, genuine: str) -> None:
    """One of 1 MiB would take longer to read than any request may block the others."""
    assert await status_of(client, forge(genuine, {"more": "x" * 5_000})) == 200
    assert await status_of(client, forge(genuine, {"more": "x" * 6_500})) == 401


async def test_a_token_from_before_there_was_a_client_id_is_good(client: AsyncClient, genuine: str) -> None:
    assert await status_of(client, forge(genuine, {"client_id": OMITTED})) == 200


async def test_every_claim_is_required(client: AsyncClient, genuine: str) -> None:
    for claim in ("iss", "aud", "sub", "sid", "iat", "exp", "jti"):
        assert await status_of(client, forge(genuine, {claim: OMITTED})) == 401, claim


@pytest.mark.parametrize(
    ("claim", "values"),
    {
        "exp": [NOW - 1, 0, -1, None, [NOW + 60], {}, str(NOW + 60), NOW + 60.0, True, "", INFINITY, NAN],
        "iat": [NOW + 120, str(NOW), float(NOW), None, False, [], "", -INFINITY, NAN, 10**400],
        "nbf": [NOW + 120, INFINITY, "soon", [NOW]],
        "iss": ["somebody-else", None, [], "", 1],
        "aud": ["somebody-else", None, [], [None], "", 1, {}],
        "sub": ["ana@example.com", "", None, 1, ["x"], {}, NOBODY],
        "sid": ["", None, 1, [], {}, "' OR true --", NOBODY],
        "jti": [None, 1, []],
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_every_claim_is_checked_by_type_and_value(
    client: AsyncClient, genuine: str, claim: str, values: list[object]
) -> None:
    for value in values:
        assert await status_of(client, forge(genuine, {claim: value})) == 401, value


@pytest.mark.parametrize(
    ("field", "values"),
    {
        "typ": ["JWT", "id_token", OMITTED, None, ["at+jwt"]],
        "alg": ["none", "None", "nOnE", "HS384", "HS512", "hs256", "H", "RS256", "ES256", "", None, ["HS256"], OMITTED],
        "crit": [[], ["exp"], ["b64"], None],
        "kid": [
            "unknown",
            "",
            None,
            0,
            ["x"],
            {"x": "y"},
            "../../dev/null",
            "https://attacker.example/key",
            "' OR ''='",
        ],
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_every_header_field_is_checked(
    client: AsyncClient, genuine: str, field: str, values: list[object]
) -> None:
    for value in values:
        assert await status_of(client, forge(genuine, header={field: value})) == 401, value


async def test_an_unsigned_token_is_refused(client: AsyncClient, genuine: str) -> None:
    for alg in ("none", "HS256"):
        assert await status_of(client, forge(genuine, header={"alg": alg}).rpartition(".")[0] + ".") == 401


async def test_the_right_key_with_another_algorithm_is_refused(client: AsyncClient, genuine: str) -> None:
    header, claims = jwt.get_unverified_header(genuine), jwt.get_unverified_claims(genuine)
    for algorithm in ("HS384", "HS512"):
        fields = {name: value for name, value in header.items() if name != "alg"}
        assert await status_of(client, jwt.encode(claims, SECRET_KEY, algorithm, fields)) == 401


async def test_a_key_that_comes_with_the_token_is_not_used(client: AsyncClient, genuine: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    fields = {name: value for name, value in jwt.get_unverified_header(genuine).items() if name != "alg"}
    claims = jwt.get_unverified_claims(genuine)
    symmetric = {"kty": "oct", "k": base64.urlsafe_b64encode(b"attacker" * 4).decode(), "alg": "HS256"}
    for forged in (
        jwt.encode(claims, pem, "ES256", fields),
        jwt.encode(claims, pem, "ES256", fields | {"jwk": jwk.construct(pem, "ES256").public_key().to_dict()}),
        jwt.encode(claims, pem, "ES256", fields | {"jku": "https://attacker.example/keys", "x5u": "file:///key"}),
        forge(genuine, header={"jwk": symmetric}, key="attacker" * 4),
        forge(genuine, header={"jwk": symmetric, "kid": OMITTED}, key="attacker" * 4),
    ):
        assert await status_of(client, forged) == 401


async def test_a_token_signed_with_another_or_an_empty_key_is_refused(client: AsyncClient, genuine: str) -> None:
    for key in ("", "a guess", SECRET_KEY[:-1]):
        assert await status_of(client, forge(genuine, key=key)) == 401
        assert await status_of(client, forge(genuine, header={"kid": OMITTED}, key=key)) == 401


async def test_only_the_key_that_kid_names_can_verify_a_token(client: AsyncClient, genuine: str) -> None:
    for former in settings.secret_key_fallbacks:
        key = former.get_secret_value()
        assert await status_of(client, forge(genuine, key=key)) == 401
        assert await status_of(client, forge(genuine, header={"kid": OMITTED}, key=key)) == 200


async def test_any_change_to_a_token_makes_it_invalid(client: AsyncClient, genuine: str, other_user: User) -> None:
    mine, theirs = genuine.split("."), (await begin(other_user))["access_token"].split(".")
    for changed in (
        [mine[0], theirs[1], mine[2]],
        [mine[0], mine[1], theirs[2]],
        [mine[0], mine[1], mine[2][:-2]],
        [mine[0], mine[1], ""],
        [mine[0], mine[1]],
        [*mine, ""],
        [*mine, *mine],
        ["", "", ""],
    ):
        assert await status_of(client, ".".join(changed)) == 401


@pytest.mark.parametrize("part", ["header", "claims"])
async def test_a_malformed_header_or_claims_set_is_a_401(client: AsyncClient, genuine: str, part: str) -> None:
    good = {
        "header": json.dumps(jwt.get_unverified_header(genuine)).encode(),
        "claims": json.dumps(jwt.get_unverified_claims(genuine)).encode(),
    }
    for strange in (
        b"[" * 6000,
        b'{"exp":' * 1000,
        b'{"alg":"HS256","typ":"at+jwt","kid":' + b"[" * 3000 + b"]" * 3000 + b"}",
        b'{"exp":' + b"9" * 5000 + b"}",
        b"[]",
        b"null",
        b"1" * 5000,
        b'"HS256"',
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b'{"alg":"HS256","alg":"none"}',
        b"",
    ):
        token = sign(**good | {part: strange}, key=SECRET_KEY)
        assert await status_of(client, token) == 401, strange[:40]


async def test_any_other_authorization_header_is_refused(client: AsyncClient) -> None:
    bad = [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Basic YTpi",
        b"Token x",
        b"Bearer a b",
        b"Bearer \xe9",
        b"Bearer " + b"." * 8000,
    ]
    for authorization in bad:
        response = await client.get("/users/me", headers={b"Authorization": authorization})
        assert response.status_code == 401, authorization
        assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_401_says_bearer_and_whether_a_token_was_invalid(client: AsyncClient) -> None:
    missing = await client.get("/users/me")
    assert (missing.status_code, missing.json()) == (401, {"detail": "Not authenticated"})
    assert missing.headers["WWW-Authenticate"] == "Bearer"
    wrong = await client.get("/users/me", headers={"Authorization": "Bearer wrong"})
    assert (wrong.status_code, wrong.json()) == (401, {"detail": "Invalid access token"})
    assert wrong.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


async def test_the_scheme_may_be_written_in_any_case(client: AsyncClient, genuine: str) -> None:
    assert (await client.get("/users/me", headers={"Authorization": f"bearer {genuine}"})).status_code == 200


async def test_a_token_for_one_user_does_not_open_the_session_of_another(
    client: AsyncClient, genuine: str, other_user: User
) -> None:
    theirs = jwt.get_unverified_claims((await begin(other_user))["access_token"])
    assert await status_of(client, forge(genuine, {"sid": theirs["sid"]})) == 401
    assert await status_of(client, forge(genuine, {"sub": theirs["sub"]})) == 401


async def test_the_token_of_an_expired_session_is_refused(
    client: AsyncClient, session: AsyncSession, genuine: str
) -> None:
    await session.execute(update(LoginSession).values(expires_at=func.now()))
    await session.commit()
    assert await status_of(client, genuine) == 401


async def test_the_token_of_an_inactive_user_is_refused(
    client: AsyncClient, session: AsyncSession, genuine: str, default_user: User
) -> None:
    default_user.is_active = False
    await session.commit()
    assert await session.scalar(select(func.count()).select_from(LoginSession)) == 1
    assert await status_of(client, genuine) == 401


async def test_finding_the_caller_takes_one_statement_and_refusing_a_bad_token_none(
    client: AsyncClient, genuine: str
) -> None:
    with recorded_statements() as statements:
        assert await status_of(client, genuine) == 200
        assert len(statements) == 1
        assert await status_of(client, "bad") == 401
        assert len(statements) == 1
