"""The real Debian and Python clients, one test a mode. ``make test-shippers`` installs them."""

from __future__ import annotations

import os
import warnings

import pytest

from tests.shippers.clients import CLIENTS, Client
from tests.shippers.install import missing
from tests.shippers.run import Result, run_all, servers, with_key, with_wrong_key

# One group: the clients of all tests run side by side when the first test asks for its result.
pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("shippers")]
ABLE = [client for client in CLIENTS if client.token]


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """Name of the client -> its result, for all that were selected."""
    why = missing()
    if why:
        if "shippers" in os.environ.get("LOGSENSE_TEST_REQUIRE", ""):
            pytest.fail(f"the shippers are required here, but {why}")
        warnings.warn(f"the real shippers were not tested: {why}", stacklevel=1)
        pytest.skip(why)
    selected = {item.callspec.params["client"].name for item in request.session.items if item.module is request.module}
    with servers(tmp_path_factory.mktemp("shippers")) as runs:
        runs = [run for run in runs if run[1].name in selected]
        return {result.client.name: result for result in run_all(runs, count=3, jobs=6)}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda c: c.name)
def test_every_record_is_found_once_with_its_fields(results: dict[str, Result], client: Client) -> None:
    assert results[client.name].problems == []


@pytest.mark.parametrize("client", [with_key(c) for c in ABLE], ids=lambda c: c.name)
def test_with_an_api_key_in_the_clients_own_form(results: dict[str, Result], client: Client) -> None:
    assert results[client.name].problems == []


@pytest.mark.parametrize("client", [with_wrong_key(c) for c in ABLE], ids=lambda c: c.name)
def test_a_wrong_key_is_refused(results: dict[str, Result], client: Client) -> None:
    assert results[client.name].problems == []
