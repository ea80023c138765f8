"""What crosses the wire of second factors."""

from typing import Annotated

from pydantic import Field

from app.schemas.requests import JsonRequest
from app.schemas.responses import OAuthErrorResponse, Response

MFA_TOKEN_MAX_LENGTH = 256  # ours have less than half of that

Code = Annotated[
    str,
    Field(
        min_length=6,
        max_length=40,
        pattern=r"^[A-Za-z0-9 -]*$",
        repr=False,
        description="A code of the authenticator app, or a recovery code.",
        examples=["287082", "QSK4-IV7F-2DPH-LM6X"],
    ),
]


class CodeRequest(JsonRequest):
    code: Code


class SecondFactorRequest(JsonRequest):
    mfa_token: Annotated[str, Field(max_length=MFA_TOKEN_MAX_LENGTH, repr=False, examples=["DVwcnm8LTFWaO1LB96fj1A…"])]
    code: Code


class SecondFactorResponse(Response):
    totp: bool
    recovery_codes_left: Annotated[int, Field(examples=[10])]


class TotpSetupResponse(Response):
    """The app reads `otpauth_uri` from a QR code; `secret` is for typing it in."""

    secret: Annotated[str, Field(examples=["JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"])]
    otpauth_uri: Annotated[str, Field(examples=["otpauth://totp/api:ana%40example.com?secret=JBSWY3DP…&issuer=api"])]


class RecoveryCodesResponse(Response):
    """Shown this once."""

    recovery_codes: Annotated[list[str], Field(examples=[["QSK4-IV7F-2DPH-LM6X"]])]


class MfaRequiredResponse(OAuthErrorResponse):
    """The password was right. Send `mfa_token` with a code to `POST /auth/second-factor`."""

    mfa_token: Annotated[str, Field(examples=["DVwcnm8LTFWaO1LB96fj1A…"])]
