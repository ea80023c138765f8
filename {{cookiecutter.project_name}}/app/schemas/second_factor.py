"""What crosses the wire of second factors."""

from typing import Annotated

from pydantic import Field

from app.schemas.passkeys import PasskeyResponse
from app.schemas.requests import AnyPassword, Code, JsonRequest
from app.schemas.responses import Response

MFA_TOKEN_MAX_LENGTH = 256  # ours have less than half of that


class TotpSetupRequest(JsonRequest):
    current_password: AnyPassword


class CodeRequest(JsonRequest):
    code: Code


class PasswordAndCodeRequest(JsonRequest):
    current_password: AnyPassword
    code: Code


class SecondFactorRequest(JsonRequest):
    mfa_token: Annotated[str, Field(max_length=MFA_TOKEN_MAX_LENGTH, repr=False, examples=["DVwcnm8LTFWaO1LB96fj1A…"])]
    code: Code


class TotpSetupResponse(Response):
    """The app reads `otpauth_uri` from a QR code; `secret` is for typing it in."""

    secret: Annotated[str, Field(examples=["JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"])]
    otpauth_uri: Annotated[str, Field(examples=["otpauth://totp/api:ana%40example.com?secret=JBSWY3DP…&issuer=api"])]


class RecoveryCodesResponse(Response):
    """Shown this once."""

    recovery_codes: Annotated[list[str], Field(examples=[["QSK4-IV7F-2DPH-LM6X"]])]


class SecondFactorResponse(Response):
    totp: bool
    recovery_codes_left: Annotated[int, Field(examples=[10])]
    passkeys: list[PasskeyResponse]
