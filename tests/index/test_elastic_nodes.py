"""A cluster of two real nodes: one ends and comes back, and logsense goes on with the other."""

from __future__ import annotations

import contextlib
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from logsense.index.elastic import ElasticIndex, ElasticOptions
from logsense.record import LogRecord, Query
from tests.elasticsearch_server import Server, Unavailable, skip_or_fail

pytestmark = [pytest.mark.slow, pytest.mark.heavy, pytest.mark.xdist_group("elasticsearch")]
T0 = 1_700_000_000 * 10**9
STEP = 500


@pytest.fixture
def cluster() -> Iterator[tuple[Server, Server]]:
    """The node that decides, and one that holds data beside it."""
    made: list[Server] = []
    try:
        try:
            made.append(Server(alone=False))
            made[0].start()
            made.append(Server(joins=made[0]))
            made[1].start()
        except Unavailable as error:
            skip_or_fail(error)
            raise
        yield made[0], made[1]
    finally:
        for server in reversed(made):
            server.close()


def write(index: ElasticIndex, first: int) -> None:
    index.write_logs([LogRecord(f"l{n}", T0 + n, f"line {n}", "s", T0) for n in range(first, first + STEP)])
    index.commit()


def all_there(urls: list[str], folder: Path, count: int) -> None:
    index = ElasticIndex(folder, writer=False, options=ElasticOptions(urls=urls))
    for _ in range(4):  # more questions than nodes: each is asked, or found dead and left out
        assert index.search(Query(), limit=0)[0] == count
    assert [int(record.message.split()[1]) for record in index.scan(Query())] == list(range(count))
    index.close()


def wait_for(server: Server, wanted: str) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.HTTPError):  # 408 when it was not so within the time
            server.get(f"/_cluster/health?{wanted}&timeout=5s")
            return
    raise AssertionError(server.get("/_cluster/health"))


def test_one_node_of_two_ends_and_comes_back(cluster: tuple[Server, Server], tmp_path: Path) -> None:
    first, second = cluster
    urls = [second.url, first.url]
    wait_for(first, "wait_for_nodes=2")
    index = ElasticIndex(tmp_path, writer=True, options=ElasticOptions(urls=urls, max_backoff_s=1.0))
    try:
        write(index, 0)
        wait_for(first, "wait_for_status=green")  # of each shard there is a replica ("0-1")
        health = first.get("/_cluster/health")
        assert health["active_shards"] == 2 * health["active_primary_shards"]
        second.kill()
        write(index, STEP)
        all_there(urls, tmp_path, 2 * STEP)
        second.start()
        wait_for(first, "wait_for_nodes=2&wait_for_status=green")
        write(index, 2 * STEP)
        for asked in (urls, [second.url], [first.url]):
            all_there(asked, tmp_path, 3 * STEP)
        assert index.dead_letters() == index.rejected == 0
    finally:
        index.close()
