"""Streamlit looks for components in every installed package at each start of a screen; here it looks once."""

from collections.abc import Iterator
from functools import cache

import pytest
from screen_api import Api

from service.screen.client import Client


@pytest.fixture(scope="session", autouse=True)
def components_are_looked_for_once() -> Iterator[None]:
    from streamlit.components.v2 import manifest_scanner

    with pytest.MonkeyPatch.context() as patch:
        once = cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", once)
        yield


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    api = Api()
    monkeypatch.setattr(Client, "get", lambda client, path, **params: api.get(client, path, **params))
    monkeypatch.setattr(Client, "part", lambda client, path, **params: api.part(client, path, **params))
    monkeypatch.setattr(
        Client, "execute", lambda client, pattern, **inputs: api.execute(client, pattern, **inputs)
    )
    return api
