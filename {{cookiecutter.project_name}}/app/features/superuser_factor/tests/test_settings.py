"""The setting, as an operator may mistype it."""

import pytest

from app.features.superuser_factor.settings import SuperuserFactorSettings
from app.tests.other_settings import refusal_of


@pytest.mark.parametrize("value", ["maybe", "true", "Required"])
def test_any_other_value_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    message = refusal_of(SuperuserFactorSettings, monkeypatch, SUPERUSER_SECOND_FACTOR=value)
    assert "SUPERUSER_SECOND_FACTOR: " in message


def test_an_empty_variable_means_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPERUSER_SECOND_FACTOR", "")
    assert SuperuserFactorSettings().superuser_second_factor == "optional"
