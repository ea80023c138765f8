"""What crosses the wire of accounts by email."""

from typing import Annotated

from pydantic import Field

from app.schemas.requests import AnyPassword, Email, JsonRequest, NewPassword
from app.schemas.responses import Email as EmailText
from app.schemas.responses import Response, Time

MAIL_TOKEN_MAX_LENGTH = 256  # the tokens that we make have less than half
MailToken = Annotated[str, Field(max_length=MAIL_TOKEN_MAX_LENGTH, repr=False, examples=["DVwcnm8LTFWaO1LB96fj1A…"])]


class ForgotPasswordRequest(JsonRequest):
    email: Email


class RecoverPasswordRequest(JsonRequest):
    token: MailToken
    new_password: NewPassword


class VerifyEmailRequest(JsonRequest):
    token: MailToken


class EmailChangeRequest(JsonRequest):
    email: Email
    current_password: AnyPassword


class EmailResponse(Response):
    """`pending` is the address that will be the account's once the token that was sent there comes back."""

    email: EmailText
    verified_at: Time | None
    pending: EmailText | None
