"""The metric detector on synthetic series: faults are found once, noise and garbage are not."""

import math
import random
import sqlite3

import pytest

from logsense.detect import MetricAnomaly, MetricAnomalyOptions
from logsense.detect.windows import SECOND
from logsense.record import MetricPoint

from .scenes import T0, cut, load, signals_of


def changed(points, name, begin, end, change):
    """Apply ``change(value, seconds since begin)`` to one series for a while."""
    for point in points:
        at = (point.timestamp_ns - T0) / SECOND
        if point.name == name and begin <= at < end:
            point.value = change(point.value, at - begin)
        yield point


def test_a_quiet_hour_stays_quiet():
    signals = signals_of(cut(points=load(3600, random.Random(1))), MetricAnomaly())
    assert [s.text for s in signals] == []


def test_a_busy_cpu_is_one_signal_with_its_usual_value():
    points = changed(load(1200, random.Random(2)), "system.cpu.utilization", 900, 990, lambda v, _: v + 0.7)
    signals = [s for s in signals_of(cut(points=points), MetricAnomaly()) if s.kind == "metric.high"]
    assert [s.metric for s in signals] == ["system.cpu.utilization"]
    signal = signals[0]
    assert signal.start_ns <= T0 + 910 * SECOND and signal.end_ns <= T0 + 1010 * SECOND
    assert signal.expected == pytest.approx(0.2, abs=0.1) and signal.value > 0.7
    assert signal.evidence[0].startswith("metric:db1/system.cpu.utilization@")


def test_a_filling_disk_is_reported_before_it_is_full():
    points = changed(
        load(1200, random.Random(3)), "system.disk.utilization", 900, 1200, lambda v, s: min(1, v + s * 0.004)
    )
    signals = [s for s in signals_of(cut(points=points), MetricAnomaly()) if s.metric == "system.disk.utilization"]
    assert len(signals) == 1 and signals[0].start_ns < T0 + 1000 * SECOND
    detector, texts = MetricAnomaly(), []
    for window in cut(
        points=changed(
            load(1200, random.Random(3)), "system.disk.utilization", 900, 1200, lambda v, s: min(1, v + s * 0.004)
        )
    ):
        texts += [s.text for s in detector.score(window)]
        detector.learn(window)
    assert any("reaches 1 in about" in text for text in texts)


def test_a_counter_is_judged_by_its_rate_and_survives_a_reset():
    points = list(changed(load(1500, random.Random(4)), "requests_total", 700, 1500, lambda v, _: v - 15_000))
    assert signals_of(cut(points=points), MetricAnomaly()) == []
    faster = changed(load(1500, random.Random(4)), "requests_total", 900, 1500, lambda v, s: v + 900 * min(s, 100))
    signals = signals_of(cut(points=faster), MetricAnomaly())
    assert [s.metric for s in signals if s.kind == "metric.high"] == ["requests_total"]


def test_a_short_blip_is_no_signal():
    points = changed(load(1200, random.Random(5)), "system.cpu.utilization", 901, 904, lambda v, _: v + 0.5)
    assert signals_of(cut(points=points), MetricAnomaly()) == []


def test_many_metrics_together_are_one_signal_of_the_host():
    points = load(1500, random.Random(6))
    for name in (
        "system.cpu.utilization",
        "system.network.io.receive",
        "http.client.latency",
        "system.memory.utilization",
    ):
        points = changed(points, name, 1200, 1300, lambda v, _: v * 1.9)
    signals = signals_of(cut(points=points), MetricAnomaly())
    together = [s for s in signals if s.kind == "metric.change"]
    assert len(together) == 1 and together[0].host == "db1"
    assert together[0].metric in {"system.cpu.utilization", "http.client.latency", "system.memory.utilization",
                                  "system.network.io.receive"}  # fmt: skip


def test_a_new_level_is_adopted():
    options = MetricAnomalyOptions(adopt_after_s=300)
    points = changed(load(3000, random.Random(7)), "system.memory.utilization", 900, 3000, lambda v, _: v + 0.3)
    detector, late = MetricAnomaly(options), []
    for window in cut(points=points):
        late += [s for s in detector.score(window) if window.start_ns > T0 + 1300 * SECOND]
        detector.learn(window)
    assert late == []


@pytest.mark.parametrize("value", [0.0, 1e308, -1e308, 1e-320])
def test_constant_and_extreme_series_make_no_storm(value):
    points = [MetricPoint("m", "h", T0 + at * SECOND, value) for at in range(1200)]
    points += [MetricPoint("flip", "h", T0 + at * SECOND, value if at % 7 else -value) for at in range(1200)]
    points += [MetricPoint("gaps", "h", T0 + at * SECOND, math.nan if at % 3 else 1.0) for at in range(0, 1200, 5)]
    assert signals_of(cut(points=points), MetricAnomaly()) == []


def test_state_survives_a_restart():
    windows = cut(
        points=changed(load(1200, random.Random(8)), "system.cpu.utilization", 900, 990, lambda v, _: v + 0.7)
    )
    expected = signals_of(windows, MetricAnomaly())
    before, after, db = MetricAnomaly(), MetricAnomaly(), sqlite3.connect(":memory:")
    first = signals_of(windows[:93], before)
    before.save(db)
    after.load(db)
    found = {s.id: s for s in [*first, *signals_of(windows[93:], after)]}
    assert list(found.values()) == expected
    db.close()
