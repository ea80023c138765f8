"""What clients may send. A field that is too long, of the wrong type or unknown is a 422."""

from typing import Annotated, Any, Literal, Self

from fastapi.exceptions import RequestValidationError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    EmailStr,
    Field,
    StrictBool,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
    validate_email,
)
from pydantic_core import InitErrorDetails, PydanticCustomError, PydanticKnownError

from app.core.config import settings
from app.core.weak_secrets import is_common, is_own_address, normalized
from app.models import EMAIL_MAX_LENGTH

# In characters (code points) of the password's NFC, so that it has one length, whatever keyboard it is typed on; as
# PASSWORD_MIN_LENGTH of the settings.
PASSWORD_MAX_LENGTH = 128
_MAX_DECOMPOSED = 4 * PASSWORD_MAX_LENGTH  # no character has more than 4 parts; NFC of 1 MiB of accents takes minutes
REFRESH_TOKEN_MAX_LENGTH = 512  # ours are less than half as long

# Keys of a JSON object: pydantic makes an error of each unknown one, and 130,000 errors take 400 ms.
MAX_JSON_FIELDS = 100

WITHOUT_NUL = r"^[^\x00]*$"  # PostgreSQL's text type holds any other character


def _bare_and_lower(email: object) -> object:
    if not isinstance(email, str):
        return email
    if "<" in email:
        raise PydanticCustomError("value_error", "value is not a valid email address: it includes a name")
    if "=?" in email:  # email programs would decode it (RFC 2047) and write to somebody else
        raise PydanticCustomError("value_error", "value is not a valid email address: it includes an encoded word")
    # Before EmailStr normalises it (NFC): the other way round, upper and lower case could end up different.
    return email.lower()


def canonical_email(email: str) -> str:
    """The spelling under which an account is stored, looked up and rate limited; of an invalid address the lower case.

    Rows that another system wrote may have one, such as ana@corp.local.
    """
    try:
        return validate_email(str(_bare_and_lower(email)))[1]
    except PydanticCustomError:
        return email.lower()


def _normalized(password: object) -> object:
    return normalized(password) if isinstance(password, str) and len(password) <= _MAX_DECOMPOSED else password


def _measured(password: object) -> object:
    # A password that isn't too long stays as it was typed, and is checked that way, too; see core/passwords.py.
    return _normalized(password) if isinstance(password, str) and len(password) > PASSWORD_MAX_LENGTH else password


def _long_enough(password: str) -> str:
    if len(password) < settings.password_min_length:
        raise PydanticKnownError("string_too_short", {"min_length": settings.password_min_length})
    return password


def _say_how_long(schema: dict[str, Any]) -> None:
    schema["minLength"] = settings.password_min_length


def _uncommon(password: str) -> str:
    if is_common(password):
        raise PydanticCustomError("common_password", "Value is one of the commonest passwords")
    return password


OWN_ADDRESS = PydanticCustomError("own_address", "Value is the account's own email address")


def refuse_own_address(new_password: str, email: str) -> None:
    """For a route whose body doesn't have the email address. Raises a 422 for the field `new_password`."""
    if is_own_address(new_password, email):
        problem = {"type": OWN_ADDRESS.type, "loc": ("body", "new_password"), "msg": OWN_ADDRESS.message()}
        raise RequestValidationError([problem])


Email = Annotated[EmailStr, BeforeValidator(_bare_and_lower), Field(examples=["ana@example.com"])]
_PASSWORD = Field(max_length=PASSWORD_MAX_LENGTH, repr=False, examples=["correct horse battery staple"])
# A validator that runs before a limit is written after it: pydantic otherwise checks the limit in slower Python code.
PASSWORD_LENGTH = BeforeValidator(_measured)
AnyPassword = Annotated[str, _PASSWORD, PASSWORD_LENGTH]
NewPassword = Annotated[
    str,
    _PASSWORD,
    Field(json_schema_extra=_say_how_long),
    BeforeValidator(_normalized),
    AfterValidator(_long_enough),
    AfterValidator(_uncommon),
]
Username = Annotated[
    str,
    StringConstraints(max_length=EMAIL_MAX_LENGTH, pattern=WITHOUT_NUL),
    AfterValidator(canonical_email),
    Field(description="The email address.", examples=["ana@example.com"]),
]
RefreshToken = Annotated[str, Field(max_length=REFRESH_TOKEN_MAX_LENGTH, repr=False, examples=["QbX8yq3u…"])]

NOT_EMPTY = Field(min_length=1)  # in a form, empty is as good as omitted (RFC 6749 section 3.2)


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


# openapi-typescript has clients always send a field for which the specification names a default.
OPTIONAL = Field(json_schema_extra=_without_default)


class JsonRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _has_few_fields(cls, data: object) -> object:
        # Runs before each unknown field becomes an error. Each item of a list may, too: give lists a `max_length`.
        if isinstance(data, dict) and len(data) > MAX_JSON_FIELDS:
            raise PydanticCustomError("too_many_fields", "Too many fields")
        return data


class TokenForm(BaseModel):
    """A grant of OAuth 2.0 (RFC 6749 sections 4.3.2 and 6); unknown parameters are ignored.

    `password`, the default, needs `username` and `password`; `refresh_token` needs `refresh_token`.
    """

    grant_type: Annotated[str, Field(examples=["password", "refresh_token"]), OPTIONAL] = "password"
    username: Annotated[Username, OPTIONAL] = ""
    password: Annotated[AnyPassword, OPTIONAL] = ""
    refresh_token: Annotated[RefreshToken, OPTIONAL] = ""

    @model_validator(mode="after")
    def _has_what_its_grant_needs(self) -> Self:
        needed = {"password": ("username", "password"), "refresh_token": ("refresh_token",)}.get(self.grant_type, ())
        # RFC 6749 section 3.2: a parameter without a value counts as omitted.
        missing = [
            InitErrorDetails(type="missing", loc=(name,), input=None) for name in needed if not getattr(self, name)
        ]
        if missing:
            raise ValidationError.from_exception_data("TokenForm", missing)
        return self


class LoginForm(BaseModel):
    """The password grant alone."""

    grant_type: Annotated[Literal["password"], OPTIONAL] = "password"
    username: Annotated[Username, NOT_EMPTY]
    password: Annotated[AnyPassword, NOT_EMPTY]


class RevocationForm(BaseModel):
    """RFC 7009 section 2.1; the hint isn't needed, as the two kinds of token look different."""

    token: Annotated[
        str, NOT_EMPTY, Field(repr=False, description="A refresh token or an access token.", examples=["QbX8yq3u…"])
    ]
    token_type_hint: Annotated[str, OPTIONAL] = ""


class RefreshTokenRequest(JsonRequest):
    refresh_token: RefreshToken


class LogoutRequest(JsonRequest):
    """A token of any length: one that is too long is treated as unknown."""

    refresh_token: Annotated[str, Field(repr=False, examples=["QbX8yq3u…"])]


class UserCreateRequest(JsonRequest):
    email: Email
    password: NewPassword

    @field_validator("password")
    @classmethod
    def _is_not_the_address(cls, password: str, info: ValidationInfo) -> str:
        if is_own_address(password, info.data.get("email", "")):  # an invalid email is missing
            raise OWN_ADDRESS
        return password


class UserUpdatePasswordRequest(JsonRequest):
    current_password: AnyPassword
    new_password: NewPassword


class UserUpdateRequest(JsonRequest):
    is_active: StrictBool | None = None
    is_superuser: StrictBool | None = None
