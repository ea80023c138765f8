"""Whether what a browser sends was made by an authenticator for a challenge of ours (WebAuthn level 3, section 7)."""

import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple

from cryptography.exceptions import InvalidSignature
from fido2 import cbor
from fido2.cose import ES256, RS256, CoseKey, EdDSA
from fido2.utils import websafe_decode
from fido2.webauthn import AuthenticatorData
from sqlalchemy import BigInteger, LargeBinary, and_, bindparam, func, or_, select, update

from app.auth.accounts import Account, find_account
from app.auth.audit import audit
from app.auth.clients import Client
from app.core.config import settings
from app.core.database import Database
from app.features.passkeys.challenges import Purpose, read_challenge, spending
from app.features.passkeys.models import Passkey
from app.features.passkeys.schemas import PasskeyLoginRequest, PasskeyRegistrationRequest
from app.features.passkeys.settings import passkey_settings

ALGORITHMS: Final = [ES256.ALGORITHM, EdDSA.ALGORITHM, RS256.ALGORITHM]


class InvalidPasskeyError(Exception):
    """Not made by an authenticator for a challenge of ours; the cause says more."""


class Registration(NamedTuple):
    """A new passkey whose authenticator has been seen."""

    challenge: bytes
    credential_id: bytes
    public_key: bytes  # COSE
    sign_count: int


def check_registration(credential: PasskeyRegistrationRequest, holder: bytes) -> Registration:
    """The passkey that an authenticator has made for this holder's challenge. Raises InvalidPasskeyError."""
    with _one_error_for_all():
        client_data = websafe_decode(credential.response.client_data_json)
        challenge = _check_client_data(client_data, "webauthn.create", "passkey registration", holder)
        # Nobody asked for the statement, so nobody looks at it.
        match cbor.decode(websafe_decode(credential.response.attestation_object)):
            case {"fmt": str(), "attStmt": dict(), "authData": bytes(written)}:
                data = _read_authenticator_data(written)
            case _:
                raise InvalidPasskeyError("Not an attestation")
        made = data.credential_data
        if (
            made is None
            or made.credential_id != websafe_decode(credential.raw_id)
            or credential.id != credential.raw_id
        ):
            raise InvalidPasskeyError("Another credential, or none")
        _check_key(made.public_key)
    return Registration(challenge, made.credential_id, cbor.encode(made.public_key), data.counter)


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


async def use_passkey(database: Database, credential: PasskeyLoginRequest, client: Client) -> Account | None:
    """The account that a passkey logs in to; None if anything about it is wrong.

    Of parallel uses of one challenge, and of two passkeys with one counter, one succeeds.
    """
    passkey = await database.fetch_one(_PASSKEY, {"credential": websafe_decode(credential.raw_id)})
    if passkey is None:
        return None
    # The account first: if the passkey is removed from now on, either _USE or the beginning of a session notices.
    account = await find_account(database, passkey.user_id, client)
    try:
        challenge, count = _check_assertion(credential, passkey.user_id, passkey.public_key)
    except InvalidPasskeyError:
        is_used = False
    else:
        is_used = (
            account is not None
            and await database.fetch_one(spending(challenge)) is not None
            and await database.execute(_USE, {"passkey": passkey.id, "count": count}) == 1
        )
    if not is_used:
        audit("passkey_refused", client, passkey.user_id)
        return None
    return account


def _check_assertion(credential: PasskeyLoginRequest, user_id: uuid.UUID, public_key: bytes) -> tuple[bytes, int]:
    """The challenge that was signed, and the authenticator's counter. Raises InvalidPasskeyError."""
    with _one_error_for_all():
        client_data = websafe_decode(credential.response.client_data_json)
        challenge = _check_client_data(client_data, "webauthn.get", "passkey login")
        data = _read_authenticator_data(websafe_decode(credential.response.authenticator_data))
        key = CoseKey.parse(cbor.decode(public_key))  # type: ignore[arg-type] # _check_key has seen it
        key.verify(data + sha256(client_data).digest(), websafe_decode(credential.response.signature))
        if websafe_decode(credential.response.user_handle) != user_id.bytes or credential.id != credential.raw_id:
            raise InvalidPasskeyError("Another user's, or another credential")
    return challenge, data.counter


@contextmanager
def _one_error_for_all() -> Iterator[None]:
    """Raises InvalidPasskeyError for every error: what is malformed makes the libraries raise almost any."""
    try:
        yield
    except Exception as error:
        raise InvalidPasskeyError from error


def _check_client_data(
    written: bytes, kind: Literal["webauthn.create", "webauthn.get"], purpose: Purpose, holder: bytes = b""
) -> bytes:
    """The challenge, if a page of ours asked for it. Raises, whatever it is, if anything isn't as browsers write it."""
    data = json.loads(written.decode(), object_pairs_hook=_without_duplicates)
    if data["type"] != kind or not _is_ours(data["origin"]):
        raise InvalidPasskeyError("Another ceremony, or another web site's page")
    if data.get("crossOrigin", False) is not False or "topOrigin" in data:
        raise InvalidPasskeyError("A page within another one")
    challenge = read_challenge(data["challenge"], purpose, holder)
    if challenge is None:
        raise InvalidPasskeyError("Not our challenge, or expired")
    return challenge


def _without_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(members)) < len(members):
        raise InvalidPasskeyError("A name twice")
    return dict(members)


_LOCALHOST: Final = re.compile(r"https?://localhost(:[0-9]{1,5})?")


def _is_ours(origin: str) -> bool:
    is_own = origin == settings.public_url if settings.public_url else _LOCALHOST.fullmatch(origin) is not None
    return is_own or origin in settings.named_cors_origins


def _read_authenticator_data(written: bytes) -> AuthenticatorData:
    """Authenticator data (WebAuthn section 6.1) for our domain, by a user who was there and verified. Raises if not."""
    data = AuthenticatorData(written)
    if data.rp_id_hash != sha256((passkey_settings.rp_id or "").encode()).digest():
        raise InvalidPasskeyError("Another domain's")
    if not (data.is_user_present() and data.is_user_verified()):
        raise InvalidPasskeyError("Nobody was there, or it isn't known who")
    if data.is_backed_up() and not data.is_backup_eligible():
        raise InvalidPasskeyError("A backup of what can't be backed up")
    if not isinstance(data.extensions, dict | None):
        raise InvalidPasskeyError("Extensions that aren't a map")
    return data


_MAX_KEY_LENGTH: Final = 1024  # bytes in COSE; RSA of 4096 bits has 530


def _check_key(key: CoseKey) -> None:
    """Raises unless this is a key for one of ALGORITHMS that verifies signatures, and in a short time."""
    if key.ALGORITHM not in ALGORITHMS or len(cbor.encode(key)) > _MAX_KEY_LENGTH:
        raise InvalidPasskeyError("A key that nobody asked for")
    if isinstance(key, RS256):
        modulus, exponent = int.from_bytes(key[-1]), int.from_bytes(key[-2])
        if not (2048 <= modulus.bit_length() <= 4096 and exponent < 2**32):
            raise InvalidPasskeyError("A key that is too short, or makes each login slow")
    with suppress(InvalidSignature):
        key.verify(b"", b"")  # raises something else if the key isn't one of its algorithm
