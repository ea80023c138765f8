"""Where a sign-in may lead, and where its refusals are read."""

import pytest
from fastapi import HTTPException

from app.features.sign_in.return_to import MAX_LENGTH, checked, place_of_refusals

GOOD = (
    *("/", "/welcome", "/a/b/?x=1#y", "/a?next=//evil.example", "/%C3%A9"),
    *("https://app.example.com", "https://app.example.com/", "https://app.example.com/a?b#c"),
)
BAD = (
    *("", "welcome", "//evil.example", "/\\evil.example", "/a//evil.example", "/\t/evil.example", "/a b", "/\x00"),
    *("/..//evil.example", "/a/../b", "/a/%2e%2E/b", "/%2fevil.example", "/%5cevil.example", "/a%0d%0aX:y", "/é"),
    *("https://evil.example", "https://app.example.com.evil.example", "https://app.example.com@evil.example/"),
    *("https://app.example.com:444/", "http://app.example.com/", "HTTPS://app.example.com/", "https:app.example.com"),
    *("https://app.example.com//evil.example", "https://app.example.com?x", "javascript:alert(1)", "data:text/html,x"),
    "/" + "x" * MAX_LENGTH,
)


@pytest.mark.parametrize("address", GOOD)
def test_a_sign_in_leads_to_pages_of_ours(address: str) -> None:
    assert checked(address) == address


@pytest.mark.parametrize("address", BAD)
def test_a_sign_in_leads_nowhere_else(address: str) -> None:
    with pytest.raises(HTTPException, match="400"):
        checked(address)


def test_refusals_are_read_where_the_sign_in_was_to_lead() -> None:
    for address in ("/welcome", "https://app.example.com/welcome", "/accounting"):
        assert place_of_refusals(address) == address
