"""Metric names of several exporters -> family, bound, direction."""

import pytest

from logsense.predict import families


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("system.cpu.utilization", "cpu"),
        ("node_load1", "cpu"),
        ("system.network.errors", "errors"),
        ("tcp.retransmits", "errors"),
        ("tcp.connections.established", "connections"),
        ("postgresql.backends", "connections"),
        ("mysql.threads_connected", "connections"),
        ("mysql.threads_running", "process"),
        ("redis.memory.used", "memory"),
        ("jvmHeapUsed", "memory"),
        ("system.disk.utilization{device=sda,tcp=1}", "disk"),
        ("postgresql.locks.waiting", "queue"),
        ("postgresql.replication.lag", "queue"),
        ("db.client.latency", "latency"),
        ("http.requests", "traffic"),
        ("postgresql.replication.delay", "queue"),
        ("dns.client.queries", "traffic"),
        ("system.network.io.receive", "network"),
        ("postgresql.wal_receivers", "availability"),
        ("haproxy.servers.up", "availability"),
        ("weather", "other"),
        ("", "other"),
    ],
)
def test_family(name: str, family: str) -> None:
    assert families.family(name) == family


@pytest.mark.parametrize(
    ("name", "kind", "worse"),
    [
        ("system.disk.utilization", "share", 1),
        ("disk.used_percent", "share", 1),
        ("system.disk.free", "remaining", -1),
        ("node_memory_MemAvailable_bytes", "remaining", -1),
        ("cache.hit.ratio", "", -1),
        ("cpu.idle", "", -1),
        ("postgresql.idle_in_transaction", "", 1),
        ("http.cache.hit", "", 1),  # a count of hits is traffic, not a share
        ("system.disk.io.write", "", 1),
    ],
)
def test_bound_and_direction(name: str, kind: str, worse: int) -> None:
    assert families.bound_kind(name) == kind
    assert families.worse(name) == worse


def test_limit_series() -> None:
    names = (
        "postgresql.backends",
        "postgresql.max_connections",
        "postgresql.commits",
        "mysql.threads_connected",
        "jvm.memory.used",
        "jvm.memory.max",
        "http.latency.max",
        "system.disk.io.read",
        "system.disk.total",
    )
    assert families.limit_series(names) == {
        "postgresql.backends": "postgresql.max_connections",
        "jvm.memory.used": "jvm.memory.max",
    }
