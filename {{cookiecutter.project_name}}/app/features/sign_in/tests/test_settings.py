"""Which providers there may be, and what is said of one that is not complete."""

from pathlib import Path
from typing import Any

import pytest

from app.auth.login import strong_methods
from app.core import config
from app.core.config import load, settings, unknown_names
from app.features.sign_in.feature import _is_on
from app.features.sign_in.settings import SignInSettings, sign_in_settings
from app.tests.other_settings import refusal_of

GOOGLE = {"SIGN_IN": "", "SIGN_IN__GOOGLE__CLIENT_ID": "x", "SIGN_IN__GOOGLE__CLIENT_SECRET": "y"}
COMPANY = {"SIGN_IN": "", "SIGN_IN__ACME__CLIENT_ID": "x", "SIGN_IN__ACME__CLIENT_SECRET": "y"}
MICROSOFT = {"SIGN_IN": "", "SIGN_IN__MICROSOFT__CLIENT_ID": "x", "SIGN_IN__MICROSOFT__CLIENT_SECRET": "y"}


def test_each_value_has_a_variable_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (GOOGLE | COMPANY | {"SIGN_IN__ACME__ISSUER": "https://a.example/realms/x"}).items():
        monkeypatch.setenv(name, value)
    loaded = load(SignInSettings).sign_in
    assert loaded.keys() == {"google", "acme"}
    assert loaded["acme"].issuer == "https://a.example/realms/x"
    assert "secret_y" not in repr(loaded)
    assert loaded["google"].client_secret.get_secret_value() == "y"


def test_a_file_may_have_all_values(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "providers").write_text('{"google": {"client_id": "x", "client_secret": "y"}}\n')
    monkeypatch.delenv("SIGN_IN", raising=False)
    monkeypatch.setenv("SIGN_IN_FILE", str(tmp_path / "providers"))
    google = load(SignInSettings).sign_in["google"]
    assert (google.client_id, google.client_secret.get_secret_value()) == ("x", "y")


def test_one_underscore_too_few_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("SIGN_IN__GOOGLE__CLIENT_ID=x\nSIGN_IN_GOOGLE_CLIENT_SECRET=y")
    monkeypatch.setattr(config, "ENV_FILE", env_file)
    (line,) = unknown_names(SignInSettings)
    assert line.startswith("SIGN_IN_GOOGLE_CLIENT_SECRET: no such setting; did you mean SIGN_IN")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"SIGN_IN": "", "SIGN_IN__GOOGLE__CLIENT_ID": "x"}, "SIGN_IN__GOOGLE__CLIENT_SECRET: must be set"),
        (GOOGLE | {"SIGN_IN__GOOGLE__CLIENT_SECRT": "x"}, "SIGN_IN__GOOGLE__CLIENT_SECRT: "),
        (COMPANY, "SIGN_IN__ACME__ISSUER must be set"),
        (COMPANY | {"SIGN_IN__ACME__ISSUER": "login.example.com"}, "SIGN_IN__ACME__ISSUER: must look like https://"),
        (COMPANY | {"SIGN_IN__ACME__ISSUER": "https://a.example/?x"}, "SIGN_IN__ACME__ISSUER: must look like"),
        (MICROSOFT, "SIGN_IN__MICROSOFT__TENANT must be set"),
        (MICROSOFT | {"SIGN_IN__MICROSOFT__TENANT": "contoso.com"}, "SIGN_IN__MICROSOFT__TENANT: "),
        ({"SIGN_IN_APP_SCHEMES": "https"}, "SIGN_IN_APP_SCHEMES: must have schemes such as com.example.app"),
        ({"SIGN_IN": '{"A-b": {"issuer": "https://a.example", "client_id": "x", "client_secret": "x"}}'}, "SIGN_IN"),
    ],
)
def test_a_provider_that_is_not_complete_is_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    assert words in refusal_of(SignInSettings, monkeypatch, **variables)


def test_production_wants_an_address_of_its_own_and_https(monkeypatch: pytest.MonkeyPatch) -> None:
    production: dict[str, Any] = {"environment": "production"}
    for name, value in production.items():
        monkeypatch.setitem(vars(settings), name, value)
    assert "PUBLIC_URL must be set" in refusal_of(SignInSettings, monkeypatch, **GOOGLE)
    monkeypatch.setitem(vars(settings), "public_url", "https://api.example.com")
    assert load(SignInSettings).sign_in.keys() == {"google"}
    words = refusal_of(SignInSettings, monkeypatch, **COMPANY, SIGN_IN__ACME__ISSUER="http://login.example")
    assert "SIGN_IN__ACME__ISSUER: must look like https://" in words


def test_no_provider_has_the_name_of_another_login_method(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _is_on()
    for name in ("password", *strong_methods):
        monkeypatch.setitem(sign_in_settings.sign_in, name, sign_in_settings.sign_in["company"])
        with pytest.raises(SystemExit, match=name):
            _is_on()
        monkeypatch.delitem(sign_in_settings.sign_in, name)
    monkeypatch.delitem(sign_in_settings.sign_in, "company")
    assert not _is_on()  # then there are no such routes
