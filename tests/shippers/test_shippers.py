"""The real Debian and Python clients, one test a mode. ``make test-shippers`` installs them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shippers.clients import CLIENTS, Client
from tests.shippers.run import Shippers, missing, with_key, with_wrong_key

pytestmark = [pytest.mark.heavy, pytest.mark.slow, pytest.mark.xdist_group("shippers")]


@pytest.fixture(scope="module")
def shippers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shippers]:
    why = missing()
    if why:
        if "shippers" in os.environ.get("LOGSENSE_TEST_REQUIRE", ""):
            pytest.fail(f"the shippers are required here, but {why}")
        warnings.warn(f"the real shippers were not tested: {why}", stacklevel=1)
        pytest.skip(why)
    folder: Path = tmp_path_factory.mktemp("shippers")
    with Shippers(folder) as made:
        yield made


@pytest.fixture(scope="module")
def locked(shippers: Shippers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shippers]:
    with Shippers(tmp_path_factory.mktemp("locked"), keys=True) as made:
        yield made


@pytest.mark.parametrize("client", [with_key(c) for c in CLIENTS if c.token], ids=lambda c: c.name)
def test_with_an_api_key_in_the_clients_own_form(locked: Shippers, client: Client) -> None:
    assert locked.run(client).problems == []


@pytest.mark.parametrize("client", CLIENTS, ids=lambda c: c.name)
def test_every_record_is_found_once_with_its_fields(shippers: Shippers, client: Client) -> None:
    assert shippers.run(client).problems == []


@pytest.fixture(scope="module")
def wrong(shippers: Shippers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shippers]:
    with Shippers(tmp_path_factory.mktemp("wrong"), wrong=True) as made:
        yield made


@pytest.mark.parametrize("client", [with_wrong_key(c) for c in CLIENTS if c.token], ids=lambda c: c.name)
def test_a_wrong_key_is_refused(wrong: Shippers, client: Client) -> None:
    assert wrong.run(client).problems == []
