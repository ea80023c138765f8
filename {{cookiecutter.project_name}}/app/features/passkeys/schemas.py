"""What crosses the wire of passkeys: the JSON of WebAuthn level 3, sections 5.1.8 to 5.1.10.

A page gives the options to `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`, and
sends what `JSON.stringify(credential)` returns.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from app.features.passkeys.models import PASSKEY_NAME_MAX_LENGTH
from app.schemas.requests import OPTIONAL, WITHOUT_NUL, JsonRequest
from app.schemas.responses import Email, Id, Response, Time

# Bits that the last character leaves over are zero (RFC 4648 section 3.5), so that nothing has two spellings.
_BASE64URL = r"^([A-Za-z0-9_-]{4})*([A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?$"
_Challenge = Annotated[str, Field(examples=["mHfD8yq1…"])]
_UserHandle = Annotated[str, StringConstraints(max_length=86, pattern=_BASE64URL)]  # 64 bytes
_CredentialId = Annotated[str, Field(max_length=1364, pattern=_BASE64URL, examples=["Jq3oQ8wdK1c"])]  # 1023 bytes
_Bytes = Annotated[str, Field(max_length=4096, pattern=_BASE64URL, repr=False)]
# Some authenticators add certificates, which nobody asked for or reads.
_Attestation = Annotated[str, Field(max_length=16_384, pattern=_BASE64URL, repr=False)]
_Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=PASSKEY_NAME_MAX_LENGTH, pattern=WITHOUT_NUL),
    Field(examples=["Phone"]),
]


class _CredentialRequest(JsonRequest):
    """Browsers add members from time to time: those that we don't know are ignored."""

    model_config = ConfigDict(extra="ignore", alias_generator=to_camel)

    id: _CredentialId
    raw_id: _CredentialId
    type: Literal["public-key"]


class _Part(JsonRequest):
    model_config = ConfigDict(extra="ignore", alias_generator=to_camel)


class AttestationPart(_Part):
    client_data_json: Annotated[_Bytes, Field(alias="clientDataJSON")]
    attestation_object: _Attestation


class AssertionPart(_Part):
    client_data_json: Annotated[_Bytes, Field(alias="clientDataJSON")]
    authenticator_data: _Bytes
    signature: _Bytes
    user_handle: _UserHandle


class PasskeyRegistrationRequest(_CredentialRequest):
    response: AttestationPart
    name: Annotated[_Name, OPTIONAL] = "Passkey"


class PasskeyLoginRequest(_CredentialRequest):
    response: AssertionPart


class PasskeyResponse(Response):
    id: Id
    name: Annotated[str, Field(examples=["Phone"])]
    created_at: Time
    last_used_at: Time | None


class _Options(Response):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True)


class RelyingParty(_Options):
    id: Annotated[str, Field(examples=["example.com"])]
    name: Annotated[str, Field(examples=["api"])]


class PasskeyOwner(_Options):
    id: Annotated[str, Field(examples=["DVwcnm8LTFWaO1LB96fj1A"])]
    name: Email
    display_name: Email


class KeyType(_Options):
    """`alg` is a COSE algorithm."""

    alg: Annotated[int, Field(examples=[-7])]
    type: Literal["public-key"] = "public-key"


class CredentialDescriptor(_Options):
    id: Annotated[str, Field(examples=["Jq3oQ8wdK1c"])]
    type: Literal["public-key"] = "public-key"


class AuthenticatorSelection(_Options):
    resident_key: Literal["required"] = "required"
    require_resident_key: Literal[True] = True
    user_verification: Literal["required"] = "required"


class CreationOptionsResponse(_Options):
    """PublicKeyCredentialCreationOptionsJSON; `timeout` in milliseconds."""

    rp: RelyingParty
    user: PasskeyOwner
    challenge: _Challenge
    pub_key_cred_params: list[KeyType]
    timeout: int
    exclude_credentials: list[CredentialDescriptor]
    authenticator_selection: AuthenticatorSelection = AuthenticatorSelection()
    attestation: Literal["none"] = "none"


class RequestOptionsResponse(_Options):
    """PublicKeyCredentialRequestOptionsJSON; `timeout` in milliseconds."""

    challenge: _Challenge
    timeout: int
    rp_id: Annotated[str, Field(examples=["example.com"])]
    allow_credentials: list[CredentialDescriptor]
    user_verification: Literal["required"] = "required"


class RelatedOriginsResponse(Response):
    origins: Annotated[list[str], Field(examples=[["https://app.example.com"]])]
