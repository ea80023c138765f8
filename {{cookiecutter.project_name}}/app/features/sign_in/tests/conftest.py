"""Fixtures."""

import httpx
import pytest

from app.features.sign_in import discovery, requests
from app.features.sign_in.tests.provider import FakeProvider, Network


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network, original = Network(), requests.http_client

    def http_client() -> httpx.AsyncClient:
        """The application's own, behind which there is nothing but the network of the test."""
        client = original()
        client._transport, client._mounts = httpx.MockTransport(network.respond), {}
        return client

    monkeypatch.setattr(requests, "http_client", http_client)
    monkeypatch.setattr(discovery, "_documents", {})
    return network


@pytest.fixture
def company(network: Network) -> FakeProvider:
    """The provider of settings.env."""
    return network.add(FakeProvider())
