"""Where pages for people are, if a feature brings some."""

import pytest

from app.core.config import settings
from app.core.pages import Pages, pages_path, pages_url
from app.tests.other_settings import other_settings


@pytest.fixture(autouse=True)
def two_sets_of_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.core.pages.pages", [Pages("/off", lambda: False), Pages("/people", lambda: True)])


def test_redirects_and_links_lead_to_the_pages_that_are_on(monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{settings.api_prefix}/people"
    assert pages_path() == path
    with other_settings(PUBLIC_URL="https://api.example.com"):
        assert pages_url() == f"https://api.example.com{path}"
    monkeypatch.setenv("PORT", "8001")  # as `make dev PORT=8001` does
    assert pages_url() == f"http://localhost:8001{path}"
    with other_settings(ENVIRONMENT="production", DATABASE_URL="postgresql://127.0.0.1/app"):
        assert pages_url() is None, "a link to this machine is for development only"


def test_without_pages_there_is_nowhere_to_lead_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.core.pages.pages", [Pages("/off", lambda: False)])
    assert pages_path() is None
    assert pages_url() is None
