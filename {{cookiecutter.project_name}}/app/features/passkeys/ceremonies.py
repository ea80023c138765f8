"""Passkeys (WebAuthn level 3): challenges, and whether what came back was made by an authenticator for one of them.

A challenge contains its own expiry, and a MAC says for what and for whom it is; nothing is stored until it is used.
Then its row in spent_challenges keeps it from being used again.
"""

import os
import re
import struct
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from sqlalchemy import BigInteger, LargeBinary, and_, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert
from webauthn import verify_authentication_response, verify_registration_response
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    encode_cbor,
    parse_cbor,
    parse_client_data_json,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import CollectedClientData

from app.auth.accounts import Account, find_account
from app.auth.audit import audit
from app.auth.clients import Client
from app.auth.expired import expired_rows
from app.core.config import settings
from app.core.database import Database
from app.core.security import is_mac, mac
from app.features.passkeys.cbor import refuse_odd_authenticator_data, refuse_odd_cbor
from app.features.passkeys.models import Passkey, SpentChallenge
from app.features.passkeys.settings import passkey_settings

Purpose = Literal["passkey registration", "passkey login"]
Credential = dict[str, Any]  # RegistrationResponseJSON or AuthenticationResponseJSON, without what we don't know

CHALLENGE_LIFETIME: Final = timedelta(minutes=5)
MAX_PASSKEYS: Final = 20  # of an account; an authenticator is told of each of them
ALGORITHMS: Final = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
_CHALLENGE: Final = struct.Struct(">16sI")  # a nonce, and the Unix time at which it expires; then comes the MAC
_MAX_KEY_LENGTH: Final = 1024  # bytes in COSE; RSA of 4096 bits has 530
_LOCALHOST: Final = re.compile(r"https?://localhost(:[0-9]{1,5})?")

_PASSKEY: Final = select(Passkey.id, Passkey.user_id, Passkey.public_key).where(
    Passkey.credential_id == bindparam("credential", type_=LargeBinary())
)
_COUNT: Final = bindparam("count", type_=BigInteger())
_USE: Final = (
    update(Passkey)
    .where(
        Passkey.id == bindparam("passkey"),
        # WebAuthn section 6.1.1: two authenticators with one key count up to the same number. Synced passkeys say 0.
        or_(Passkey.sign_count < _COUNT, and_(Passkey.sign_count == 0, _COUNT == 0)),
    )
    .values(sign_count=_COUNT, last_used_at=func.now())
)


class InvalidPasskeyError(Exception):
    """Not made by an authenticator for a challenge of ours; the cause says more."""


class Registration(NamedTuple):
    """A new passkey whose authenticator has been seen."""

    challenge: bytes
    credential_id: bytes
    public_key: bytes
    sign_count: int


def base64url(value: bytes) -> str:
    """Without padding, as WebAuthn's JSON has it."""
    return bytes_to_base64url(value)


def create_challenge(purpose: Purpose, holder: bytes = b"") -> str:
    """A challenge in base64url, good for one purpose and, if there is one, for one holder."""
    body = _CHALLENGE.pack(os.urandom(16), int(time.time() + CHALLENGE_LIFETIME.total_seconds()))
    return base64url(body + mac(purpose, body + holder))


def holder_of_registration(user_id: uuid.UUID, session_id: uuid.UUID) -> bytes:
    """Who may use the challenge: this session only, as another may be a thief's, who has proved nothing."""
    return user_id.bytes + session_id.bytes


def spending(challenge: bytes) -> ReturningInsert[Any]:
    """The statement that spends a challenge; only the first returns a row."""
    nonce, expires_at = _CHALLENGE.unpack_from(challenge)
    # Kept for longer than the challenge is good, as the database's clock may be ahead of ours.
    kept_until = datetime.fromtimestamp(expires_at, UTC) + CHALLENGE_LIFETIME
    new = insert(SpentChallenge).values(challenge=nonce, expires_at=kept_until).on_conflict_do_nothing()
    return new.returning(SpentChallenge.challenge).add_cte(expired_rows(SpentChallenge.expires_at))


def check_registration(credential: Credential, holder: bytes) -> Registration:
    """The passkey that an authenticator has made for this holder's challenge. Raises InvalidPasskeyError."""
    with _one_error_for_all():
        client_data = _client_data(credential, "passkey registration", holder)
        verified = verify_registration_response(
            credential=_without_statement(credential),
            expected_challenge=client_data.challenge,
            expected_rp_id=passkey_settings.rp_id or "",
            expected_origin=client_data.origin,
            require_user_verification=True,
            supported_pub_key_algs=ALGORITHMS,
        )
        if verified.credential_id != base64url_to_bytes(credential["rawId"]):
            raise InvalidPasskeyError("Another credential")
        if not _is_usable(verified.credential_public_key):
            raise InvalidPasskeyError("A key that nobody asked for")
    return Registration(
        client_data.challenge, verified.credential_id, verified.credential_public_key, verified.sign_count
    )


async def use_passkey(database: Database, credential: Credential, client: Client) -> Account | None:
    """The account that a passkey logs in to; None if anything about it is wrong.

    Of parallel uses of one challenge, and of two passkeys with one counter, one succeeds.
    """
    passkey = await database.fetch_one(_PASSKEY, {"credential": base64url_to_bytes(credential["rawId"])})
    if passkey is None:
        return None
    try:
        challenge, count = _check_assertion(credential, passkey.user_id, passkey.public_key)
    except InvalidPasskeyError:
        is_used = False
    else:
        is_used = (
            await database.fetch_one(spending(challenge)) is not None
            and await database.execute(_USE, {"passkey": passkey.id, "count": count}) == 1
        )
    account = await find_account(database, passkey.user_id, client) if is_used else None
    if account is None:
        audit("passkey_refused", client, passkey.user_id)
    return account


def _check_assertion(credential: Credential, user_id: uuid.UUID, public_key: bytes) -> tuple[bytes, int]:
    """The challenge that was signed, and the authenticator's counter. Raises InvalidPasskeyError."""
    with _one_error_for_all():
        client_data = _client_data(credential, "passkey login")
        refuse_odd_authenticator_data(base64url_to_bytes(credential["response"]["authenticatorData"]))
        verified = verify_authentication_response(
            credential=credential,
            expected_challenge=client_data.challenge,
            expected_rp_id=passkey_settings.rp_id or "",
            expected_origin=client_data.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,  # _USE compares it, so that parallel uses are seen
            require_user_verification=True,
        )
        if base64url_to_bytes(credential["response"]["userHandle"]) != user_id.bytes:
            raise InvalidPasskeyError("Another user's")
    return client_data.challenge, verified.new_sign_count


@contextmanager
def _one_error_for_all() -> Iterator[None]:
    """Raises InvalidPasskeyError for every error: for some input, py_webauthn and cbor2 raise others than their own."""
    try:
        yield
    except Exception as error:
        raise InvalidPasskeyError from error


def _client_data(credential: Credential, purpose: Purpose, holder: bytes = b"") -> CollectedClientData:
    """What the browser says of the page and the challenge. Raises, whatever it is, if one of them isn't ours."""
    client_data = parse_client_data_json(base64url_to_bytes(credential["response"]["clientDataJSON"]))
    body, claimed = client_data.challenge[: _CHALLENGE.size], client_data.challenge[_CHALLENGE.size :]
    if not is_mac(purpose, body + holder, claimed) or time.time() >= _CHALLENGE.unpack(body)[1]:
        raise InvalidPasskeyError("Not our challenge, or expired")
    if client_data.cross_origin or not _is_ours(client_data.origin):
        raise InvalidPasskeyError("Another site's page, or within one")
    return client_data


def _is_ours(origin: str) -> bool:
    is_own = origin == settings.public_url if settings.public_url else _LOCALHOST.fullmatch(origin) is not None
    return is_own or origin in settings.named_cors_origins


def _without_statement(credential: Credential) -> Credential:
    """The credential without its attestation: we asked for none, and parse none that comes anyway."""
    written = base64url_to_bytes(credential["response"]["attestationObject"])
    refuse_odd_cbor(written)
    attestation = parse_cbor(written)
    refuse_odd_authenticator_data(attestation["authData"])
    bare = encode_cbor({"fmt": "none", "attStmt": {}, "authData": attestation["authData"]})
    return credential | {"response": credential["response"] | {"attestationObject": base64url(bare)}}


def _is_usable(public_key: bytes) -> bool:
    """Whether the key fits its algorithm, which py_webauthn doesn't check before the first login."""
    if len(public_key) > _MAX_KEY_LENGTH:
        return False
    decoded = decode_credential_public_key(public_key)
    key = decoded_public_key_to_cryptography(decoded)
    match decoded.alg:
        case COSEAlgorithmIdentifier.ECDSA_SHA_256:
            return isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
        case COSEAlgorithmIdentifier.EDDSA:
            return isinstance(key, Ed25519PublicKey)
        case _:  # a large exponent makes each login slow
            return isinstance(key, RSAPublicKey) and 2048 <= key.key_size <= 4096 and key.public_numbers().e < 2**32
