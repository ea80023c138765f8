"""Refuses CBOR that authenticators don't send, before py_webauthn reads it.

cbor2 follows tags: 200 bytes of values that share values (tags 28 and 29) become terabytes when py_webauthn encodes
them again. CTAP2's canonical form has no tags, no indefinite lengths and at most four levels:
https://fidoalliance.org/specs/fido-v2.1-ps-20210615/fido-client-to-authenticator-protocol-v2.1-ps-errata-20220621.html#message-encoding
"""

from typing import Final

_LEVELS: Final = 4
_SIZES: Final = {24: 1, 25: 2, 26: 4, 27: 8}  # bytes of an argument that doesn't fit into the first byte
_ATTESTED: Final = 0x40  # flags of authenticator data
_EXTENDED: Final = 0x80


def refuse_odd_cbor(data: bytes) -> None:
    """Raises ValueError or IndexError unless it is one item in that form."""
    if _end_of_item(data, 0, _LEVELS) != len(data):
        raise ValueError("Another length than that of the item")


def refuse_odd_authenticator_data(data: bytes) -> None:
    """The same for the key and the extensions in authenticator data (WebAuthn section 6.1)."""
    end, flags = 37, data[32]
    if flags & _ATTESTED:
        end = _end_of_item(data, 55 + int.from_bytes(data[53:55]), _LEVELS)
    if flags & _EXTENDED:
        end = _end_of_item(data, end, _LEVELS)
    if end != len(data):
        raise ValueError("Another length than that of its parts")


def _end_of_item(data: bytes, start: int, levels: int) -> int:
    kind, argument = data[start] >> 5, data[start] & 31
    size = _SIZES.get(argument, 0)
    if kind == 6 or argument > 27 or levels == 0:
        raise ValueError("A tag, an indefinite length, or too many levels")
    end = start + 1 + size
    if size:
        argument = int.from_bytes(data[start + 1 : end])
    if kind in {2, 3}:  # a string
        return end + argument
    if kind in {4, 5}:  # an array or a map
        for _ in range(argument * (kind - 3)):
            end = _end_of_item(data, end, levels - 1)
    return end
