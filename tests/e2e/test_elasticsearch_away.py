"""Elasticsearch ends and comes back during a load: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from logsense.index.elastic import ElasticIndex, ElasticOptions
from logsense.record import Query
from tests.e2e.running import Running
from tests.e2e.test_durability import send
from tests.elasticsearch_server import Server

TOTAL, FEW = 20_000, 3_000


def indexed(data: Path, url: str) -> Counter[int]:
    index = ElasticIndex(data / "index", writer=False, options=ElasticOptions(urls=[url]))
    found = Counter(int(r.message.split()[1]) for r in index.scan(Query()))
    index.close()
    return found


def running(folder: Path, url: str) -> Running:
    server = Running(folder / "data")
    with server.config.open("a", encoding="utf-8") as file:
        file.write(f'\n[index]\ntype = "elasticsearch"\n\n[elasticsearch]\nurls = ["{url}"]\nmax_backoff_s = 2.0\n')
    return server


def check(data: Path, url: str, acknowledged: set[int], least: int) -> None:
    found = indexed(data, url)
    lost = sum(n not in found for n in acknowledged)
    doubled = sum(count > 1 for count in found.values())
    assert (lost, doubled) == (0, 0)
    assert len(acknowledged) >= least


@pytest.mark.heavy
@pytest.mark.xdist_group("elasticsearch")
def test_killed_during_a_load(tmp_path: Path, own_elasticsearch: Server) -> None:
    """The short form: away once, lines go on being accepted, and all are there when it is back."""
    elastic, server = own_elasticsearch, running(tmp_path, own_elasticsearch.url)
    server.start()
    acknowledged: set[int] = set()
    stop, lock, counter = threading.Event(), threading.Lock(), [0]
    sender = threading.Thread(target=send, args=(server, 1, acknowledged, stop, FEW, lock, counter))
    try:
        sender.start()
        elastic.kill()
        server.wait_for("/readyz", lambda a: a["checks"]["index"] != "ok", 30)
        sender.join(60)  # receivers go on accepting into the spool
        assert server.request("GET", "/api/v1/search?q=request")[0] == 503
        elastic.start()
        server.wait_for("/readyz", lambda a: a["checks"]["index"] == "ok" and a["ready"], 60)
        server.wait_for("/readyz", lambda a: a["checks"]["spool"]["backlog_bytes"] == 0, 120)
        assert server.stop() == 0
    finally:
        stop.set()
        server.kill()
        server.log.close()
    check(tmp_path / "data", elastic.url, acknowledged, FEW)


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.xdist_group("elasticsearch")
def test_stopped_and_killed_during_a_load(tmp_path: Path, own_elasticsearch: Server) -> None:
    elastic, server = own_elasticsearch, running(tmp_path, own_elasticsearch.url)
    server.start()
    acknowledged: set[int] = set()
    stop, lock, counter = threading.Event(), threading.Lock(), [0]

    def load(total: int) -> list[threading.Thread]:
        threads = [
            threading.Thread(target=send, args=(server, n, acknowledged, stop, total, lock, counter)) for n in range(3)
        ]
        for thread in threads:
            thread.start()
        return threads

    def wait_for_lines() -> None:
        server.wait_for("/readyz", lambda a: a["checks"]["index"] == "ok" and a["ready"], 60)
        server.wait_for("/readyz", lambda a: a["checks"]["spool"]["backlog_bytes"] == 0, 240)

    try:
        for part, end in enumerate((elastic.stop, elastic.kill), 1):
            threads = load(part * TOTAL // 2)
            time.sleep(1.0)
            worker = server.worker_pid()
            end()
            away = server.wait_for("/readyz", lambda a: a["checks"]["index"] != "ok", 30)
            assert not away["ready"] and "Elasticsearch" in away["checks"]["index"], away
            for thread in threads:
                thread.join(120)  # receivers go on accepting into the spool
            time.sleep(3)
            assert server.get("/healthz") and server.request("GET", "/readyz")[0] == 503
            assert server.request("GET", "/api/v1/search?q=request")[0] == 503
            assert server.request("GET", "/metrics")[0] == 200
            elastic.start()
            wait_for_lines()
            assert server.worker_pid() == worker  # it waited; it was not started again and again
        # the worker dies while the index is away, too
        threads = load(TOTAL + 5000)
        time.sleep(0.5)
        elastic.kill()
        time.sleep(0.5)
        server.kill()
        server.start()
        for thread in threads:
            thread.join(120)
        elastic.start()
        wait_for_lines()
        elastic.stop()
        assert server.stop() == 0  # asked to stop while the index is away
        elastic.start()
        server.start()
        wait_for_lines()
        assert server.stop() == 0
    finally:
        stop.set()
        server.kill()
        server.log.close()
    check(tmp_path / "data", elastic.url, acknowledged, TOTAL)
