"""What tests of API keys begin with."""

from collections.abc import AsyncIterator

import pytest

from app.auth.scopes import SCOPES
from app.features.api_keys import uses, wrong_keys


@pytest.fixture(autouse=True)
async def as_after_a_start(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Nobody has sent wrong keys, and the clock that counts them stands still; there is a scope of the tests."""
    monkeypatch.setattr(wrong_keys, "clock", lambda: 1000.0)
    monkeypatch.setitem(SCOPES, "toys:read", "A scope of the tests")
    wrong_keys.reset()
    yield
    await uses.finish_notes()
