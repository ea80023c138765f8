"""Access tokens that the application didn't issue."""

import base64
import json
import time

from jose import jwk, jwt

from app.core.config import settings
from app.tests.helpers import Json

SECRET_KEY = settings.secret_key.get_secret_value()
NOW = int(time.time())
OMITTED = object()  # as a claim's or a field's value: it isn't there


def forge(genuine: str, claims: Json | None = None, header: Json | None = None, key: str = SECRET_KEY) -> str:
    """The token with other claims or header fields, signed again."""
    all_claims = jwt.get_unverified_claims(genuine) | (claims or {})
    all_header = jwt.get_unverified_header(genuine) | (header or {})
    parts = [
        json.dumps({name: value for name, value in part.items() if value is not OMITTED}).encode()
        for part in (all_header, all_claims)
    ]
    return sign(parts[0], parts[1], key)


def sign(header: bytes, claims: bytes, key: str) -> str:
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, claims))
    signature = jwk.construct(key, "HS256").sign(signed)
    return f"{signed.decode()}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
