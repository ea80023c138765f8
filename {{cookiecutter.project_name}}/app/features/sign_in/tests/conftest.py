"""Fixtures."""

import httpx
import pytest

from app.features.sign_in import discovery, requests
from app.features.sign_in.tests.provider import FakeProvider, Network


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network = Network()
    transport = httpx.MockTransport(network.respond)
    monkeypatch.setattr(requests, "http_client", lambda: httpx.AsyncClient(transport=transport))
    monkeypatch.setattr(discovery, "_documents", {})
    return network


@pytest.fixture
def company(network: Network) -> FakeProvider:
    """The provider of settings.env."""
    return network.add(FakeProvider())
