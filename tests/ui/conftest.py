"""An application over the in-memory workspace."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from starlette.testclient import TestClient

from logsense.api.app import create_app
from tests.ui.browser import address, playwright, space, window

__all__ = ["address", "playwright", "space", "window"]

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="session")
def fake() -> ModuleType:
    return importlib.import_module("tests.ui.fake_workspace")


@pytest.fixture
def workspace(fake: ModuleType) -> Any:
    return fake.FakeWorkspace()


@pytest.fixture
def client(workspace: Any) -> Iterator[TestClient]:
    with TestClient(create_app(workspace, None, []), headers=BROWSER, follow_redirects=False) as made:
        yield made
