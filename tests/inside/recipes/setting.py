"""A setting of one's own."""

import pytest

from app.core.config import settings
from app.tests.other_settings import other_settings, refusal


def test_the_setting_is_read_and_can_be_changed_for_a_test(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.support_email == "help@example.com"
    with other_settings(SUPPORT_EMAIL=None):
        assert settings.support_email is None
    assert "SUPPORT_EMAIL: value is not a valid email" in refusal(monkeypatch, SUPPORT_EMAIL="nobody")
