"""A resource that is taken up, under the names that different senders give it."""

import pytest

from logsense.rootcause.resources import taken_up

from .cases import evidence, series


@pytest.mark.parametrize(
    ("name", "before", "now", "kind"),
    [
        ("process.cpu.utilization", 0.02, 0.95, "cpu_starvation"),
        ("CpuUsageRate(%){service=cart}", 0.9, 88.0, "cpu_starvation"),
        ("container_cpu_usage_percent", 3.0, 75.0, "cpu_starvation"),
        ("MemoryUsageRate(%)", 20.0, 88.0, "memory_growth"),
        ("process.memory.rss", 60e6, 320e6, "memory_growth"),
        ("process.disk.write", 20e3, 40e6, "disk_load"),
        ("system.disk.utilization", 0.4, 0.99, "disk_load"),
    ],
)
def test_named(name, before, now, kind):
    found = taken_up(evidence(metrics=[series("a", name, before, now), series("b", name, before, before)]))
    assert [(use.place[0], use.resource.kind) for use in found] == [("a", kind)]
    assert found[0].evidence.startswith(f"metric:a/{name}@")


@pytest.mark.parametrize(
    ("name", "before", "now"),
    [
        ("CpuUsageRate(%)", 0.3, 1.5),  # percents of a service that idles: five times as much is nothing
        ("process.cpu.utilization", 0.02, 0.15),
        ("NodeCpuUsageRate(%)", 5.0, 95.0),  # the machine under many services
        ("process.memory.rss", 60e6, 75e6),
        ("process.disk.write", 10.0, 9_000.0),
        ("process.cpu.utilization", 0.95, 0.02),
    ],
)
def test_not_taken_up(name, before, now):
    found = taken_up(evidence(metrics=[series("a", name, before, now)]))
    assert [use for use in found if not use.partial] == []


def test_a_share_that_grew_many_times_over_is_a_partial_sign():
    found = taken_up(evidence(metrics=[series("a", "process.cpu.utilization", 0.01, 0.12)]))
    assert [use.partial for use in found] == [True]


def test_the_strongest_comes_first():
    found = taken_up(
        evidence(metrics=[series("a", "cpu.utilization", 0.1, 0.5), series("b", "cpu.utilization", 0.1, 0.9)])
    )
    assert [use.place[0] for use in found] == ["b", "a"]
