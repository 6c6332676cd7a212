"""The long proofs of Elasticsearch's absence, with figures: ``make test-elastic`` runs and prints them.

``test_elasticsearch_away`` is the short form that the ordinary suite runs.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.e2e.running import Running
from tests.e2e.test_durability import BATCH, send
from tests.e2e.test_elasticsearch_away import indexed, running
from tests.elasticsearch_server import Server

pytestmark = [pytest.mark.slow, pytest.mark.heavy, pytest.mark.xdist_group("elasticsearch")]
LINES = 500_000
AWAY_S = 300
#: Lines sent while Elasticsearch is away, evenly: what a few dozen hosts write.
AWAY_LINES = 120_000


class Load:
    """``send`` in some threads, with what was acknowledged."""

    def __init__(self, server: Running, total: int, threads: int = 4) -> None:
        self.acknowledged: set[int] = set()
        self.stop = threading.Event()
        self.lock, self.counter = threading.Lock(), [0]
        self.threads = [
            threading.Thread(
                target=send, args=(server, n, self.acknowledged, self.stop, total, self.lock, self.counter)
            )
            for n in range(threads)
        ]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.join(30)

    def join(self, timeout_s: float) -> None:
        for thread in self.threads:
            thread.join(timeout_s)
        assert not any(thread.is_alive() for thread in self.threads)

    def wait_until_sent(self, lines: int) -> None:
        while self.counter[0] < lines:
            time.sleep(0.05)


def drained(server: Running, timeout_s: float) -> None:
    server.wait_for("/readyz", lambda a: a["ready"] and a["checks"]["spool"]["backlog_bytes"] == 0, timeout_s)


def verdict(found: dict[int, int], acknowledged: set[int]) -> tuple[int, int]:
    """(lost, doubled)."""
    return sum(n not in found for n in acknowledged), sum(count > 1 for count in found.values())


def test_killed_in_the_midst_of_500_000_lines(tmp_path: Path, own_elasticsearch: Server) -> None:
    elastic, server = own_elasticsearch, running(tmp_path, own_elasticsearch.url)
    begun = time.monotonic()
    kills = 0
    with server, Load(server, LINES) as load:
        for share in (0.2, 0.5, 0.8):
            load.wait_until_sent(int(LINES * share))
            elastic.kill()
            kills += 1
            time.sleep(2)
            elastic.start()
        load.join(900)
        sent_s = time.monotonic() - begun
        drained(server, 900)
        took = time.monotonic() - begun
    found = indexed(tmp_path / "data", elastic.url)
    lost, doubled = verdict(found, load.acknowledged)
    print(
        f"\nElasticsearch killed {kills} times during {LINES:,} lines: {len(load.acknowledged):,} acknowledged "
        f"(all sent after {sent_s:.0f} s, all indexed after {took:.0f} s), {lost} lost, {doubled} doubled"
    )
    assert (lost, doubled) == (0, 0)
    assert len(load.acknowledged) >= 0.99 * LINES


def test_stopped_for_five_minutes(tmp_path: Path, own_elasticsearch: Server) -> None:
    elastic, server = own_elasticsearch, running(tmp_path, own_elasticsearch.url)
    acknowledged: set[int] = set()
    with server:
        elastic.stop()
        begun, slowest = time.monotonic(), 0.0
        while (elapsed := time.monotonic() - begun) < AWAY_S:
            due = int(AWAY_LINES * elapsed / AWAY_S)
            if len(acknowledged) > due:
                time.sleep(0.05)
                continue
            first, asked = len(acknowledged), time.monotonic()
            lines = [{"message": f"request {n} served by worker {n % 7} in {n % 113} ms", "host.name": f"web{n % 40}",
                      "service.name": "shop"} for n in range(first, first + BATCH)]  # fmt: skip
            assert server.post_lines(lines) == 200
            slowest = max(slowest, time.monotonic() - asked)
            acknowledged.update(range(first, first + BATCH))
        state = server.wait_for("/readyz", lambda a: not a["ready"], 30)
        waiting = state["checks"]["spool"]["backlog_bytes"]
        again = time.monotonic()
        elastic.start()
        up = time.monotonic()
        drained(server, 900)
        took, since_start = time.monotonic() - up, time.monotonic() - again
    found = indexed(tmp_path / "data", elastic.url)
    lost, doubled = verdict(found, acknowledged)
    print(
        f"\nElasticsearch stopped for {AWAY_S} s: {len(acknowledged):,} lines accepted meanwhile (slowest batch of "
        f"{BATCH} in {slowest:.2f} s), {waiting / 2**20:.1f} MiB waiting; drained {took:.1f} s after it answered "
        f"({len(acknowledged) / max(took, 0.001):,.0f} lines/s), {since_start:.1f} s after its start; "
        f"{lost} lost, {doubled} doubled"
    )
    assert (lost, doubled) == (0, 0)
    assert len(acknowledged) >= 0.95 * AWAY_LINES
