"""An application over the in-memory workspace."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from starlette.testclient import TestClient

from logsense.api.app import create_app

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def load_fake() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fake_workspace", Path(__file__).parent / "fake_workspace.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def fake() -> ModuleType:
    return load_fake()


@pytest.fixture
def workspace(fake: ModuleType) -> Any:
    return fake.FakeWorkspace()


@pytest.fixture
def client(workspace: Any) -> Iterator[TestClient]:
    with TestClient(create_app(workspace, None, []), headers=BROWSER, follow_redirects=False) as made:
        yield made
