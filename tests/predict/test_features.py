"""Features of known situations, their independence of metric names, bad input and state."""

import math
import sqlite3
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logsense.predict import state
from logsense.predict.explain import describe, outlook_text
from logsense.predict.features import FeatureBuilder
from logsense.predict.history import HostHistory
from logsense.predict.options import ForecastOptions
from logsense.predict.windows import HostWindow, TemplateCount, WindowSignal

STEP = 10_000_000_000
START = 1_790_000_000_000_000_000 // STEP * STEP


def window(step: int, host: str = "h", **what: object) -> HostWindow:
    return HostWindow(host, START + step * STEP, START + (step + 1) * STEP, **what)  # type: ignore[arg-type]


def features(builder: FeatureBuilder, host: str = "h") -> dict[str, float]:
    vector = builder.vector(host, START)
    assert np.isfinite(vector.values).all()
    return dict(zip(builder.names, vector.values.tolist(), strict=True))


def quiet(builder: FeatureBuilder, steps: int = 90, name: str = "system.memory.utilization") -> np.random.Generator:
    rng = np.random.default_rng(0)
    for step in range(steps):
        metrics = {name: 0.4 + float(rng.normal(0, 0.01)), "http.requests": float(rng.poisson(100))}
        builder.learn(window(step, levels={"info": 10, "error": int(rng.random() < 0.1)}, metrics=metrics))
    return rng


def test_quiet_host_has_small_features() -> None:
    builder = FeatureBuilder()
    quiet(builder)
    found = features(builder)
    assert max(v for k, v in found.items() if not k.endswith(":level")) < 1.6
    assert found["memory:projected"] == 0
    assert found["memory:level"] == pytest.approx(0.4, abs=0.04)


def test_error_burst_raises_error_features_only_at_its_look_backs() -> None:
    builder = FeatureBuilder()
    quiet(builder)
    builder.learn(window(90, levels={"error": 50}, templates={"t": TemplateCount(50, True, "error")}))
    found = features(builder)
    assert found["log.errors:excess.60"] > 3
    assert found["log.new:errors.60"] == pytest.approx(math.log(2))
    for step in range(91, 110):
        builder.learn(window(step, levels={"info": 10}))
    later = features(builder)
    assert later["log.errors:excess.60"] == 0
    assert later["log.errors:excess.300"] > 2
    assert "50 error lines in 5 min (usually about 3)" in describe(builder, "h", "log.errors")


def test_a_window_across_two_steps_counts_for_the_one_that_knows_its_end() -> None:
    builder = FeatureBuilder()
    builder.learn(HostWindow("h", START + STEP // 2, START + STEP + STEP // 2, {"error": 3}))
    assert builder.hosts["h"].last == START // STEP + 1


def test_levels_from_templates_when_none_are_given() -> None:
    builder = FeatureBuilder()
    builder.learn(window(0, templates={"a": TemplateCount(3, False, "critical"), "b": TemplateCount(4, False, "")}))
    assert features(builder)["log.critical:count.60"] == pytest.approx(math.log(4))


def test_signals_in_the_window_and_after_it() -> None:
    builder = FeatureBuilder()
    builder.learn(window(0, signals=[WindowSignal("metric.high", 4.0, "x")]))
    builder.learn_signal("h", START + STEP - 1, "log.unit", 9.0)
    found = features(builder)
    assert found["signals.metric:score.60"] == pytest.approx(math.log(5))
    assert found["signals.unit:count.60"] == pytest.approx(math.log(2))
    assert found["signals.log:score.900"] == pytest.approx(math.log(10))


def test_filling_resource_is_projected_whatever_the_exporter_calls_it() -> None:
    rows = []
    for name, scale in (("system.disk.utilization", 1.0), ("node_filesystem_used_percent", 100.0)):
        builder = FeatureBuilder(ForecastOptions(horizon_s=600))
        rng = np.random.default_rng(1)
        for step in range(120):
            share = 0.4 + max(0, step - 60) * 0.008 + float(rng.normal(0, 0.003))
            builder.learn(window(step, metrics={name: share * scale}))
        rows.append(builder.vector("h", START).values)
        limit = builder.vector("h", START).limit
        assert limit is not None and limit.metric == name
        # 0.4 + 59 x 0.008 = 0.872; the rest takes 16 steps of 10 s
        assert limit.seconds == pytest.approx(160, rel=0.15)
        assert limit.probability > 0.8  # as sure as a trend may be that lasted longer than it still needs
        assert "full in about" in outlook_text(limit)
    assert np.allclose(rows[0], rows[1], atol=1e-3)


def test_free_space_and_stated_limit() -> None:
    builder = FeatureBuilder(ForecastOptions(horizon_s=600, limits={"queue.depth": 500.0}))
    for step in range(90):
        builder.learn(
            window(
                step,
                metrics={
                    "data.volume.free": 1e9 - step * 1e7,
                    "pg.backends": 10.0 + step / 2,
                    "pg.max_connections": 100.0,
                    "queue.depth": 5.0 * step,
                },
            )
        )
    found = features(builder)
    # 11 % left at 1 % a step: 11 steps of 10 s
    assert found["disk:soon"] == pytest.approx(600 / (600 + 110), abs=0.02)
    assert found["connections:level"] == pytest.approx(0.545, abs=0.01)
    assert found["queue:soon"] == pytest.approx(600 / (600 + 110), abs=0.02)
    assert found["disk:high"] > 0  # less free space is worse
    limit = builder.vector("h", START).limit
    assert limit is not None
    assert "fallen by 40 %: nothing left in about" in outlook_text(replace(limit, metric="disk.free", share=0.4))


def test_stepwise_counter_is_not_extrapolated_by_cpu() -> None:
    builder = FeatureBuilder()
    for step in range(60):
        builder.learn(window(step, metrics={"system.cpu.utilization": 0.2 + 0.01 * step}))
    assert builder.vector("h", START).limit is None  # a busy processor is no failure
    assert features(builder)["cpu:projected"] > 0.5


def test_late_window_counts_in_its_own_step_and_ancient_ones_are_dropped() -> None:
    builder = FeatureBuilder()
    for step in range(20):
        builder.learn(window(step, levels={"info": 1}))
    builder.learn(window(15, levels={"error": 4}, metrics={"a.cpu": 1.0}))
    assert features(builder)["log.errors:excess.60"] >= 0
    history = builder.hosts["h"]
    assert history.row(START // STEP + 15)[0][2] == 4  # type: ignore[index]
    builder.learn(window(-500, levels={"error": 4}))
    assert builder.late == 1


def test_long_pause_forgets_the_ring_but_not_what_is_usual() -> None:
    builder = FeatureBuilder()
    quiet(builder)
    builder.learn(window(5000, metrics={"system.memory.utilization": 0.9}))
    found = features(builder)
    assert found["memory:high"] > 2
    assert found["log.errors:kinds.900"] == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-(10**5), 10**5),
            st.dictionaries(
                st.sampled_from(["disk.util", "mem.free", "x"]), st.floats(allow_nan=True, allow_infinity=True)
            ),
            st.dictionaries(st.sampled_from(["error", "info", "nonsense", ""]), st.integers(0, 10**12)),
            st.floats(allow_nan=True, allow_infinity=True),
        ),
        max_size=30,
    )
)
def test_nothing_raises_and_all_features_are_finite(rows: list) -> None:
    builder = FeatureBuilder(ForecastOptions(lookbacks_s=(60, 300), baseline_points=20))
    for step, metrics, levels, score in rows:
        builder.learn(window(step, metrics=metrics, levels=levels, signals=[WindowSignal("log.new", score, "")]))
        features(builder)


def test_names_hosts_and_metrics_are_bounded() -> None:
    builder = FeatureBuilder(ForecastOptions(max_metrics=5, max_hosts=3))
    for i in range(10):
        builder.learn(window(0, host=f"h{i}", metrics={f"m{k}": 1.0 for k in range(20)}))
    assert sorted(builder.hosts) == ["h7", "h8", "h9"]
    assert len(builder.hosts["h9"].names) == 5
    assert builder.vector("h0", START).history_s == 0


def test_state_survives_a_restart_and_only_changes_are_written() -> None:
    db = sqlite3.connect(":memory:")
    builder = FeatureBuilder(ForecastOptions(baseline_points=20))
    quiet(builder, 70)
    state.save(builder, db)
    before = db.total_changes
    state.save(builder, db)
    assert db.total_changes - before <= 1  # the layout row
    quiet_more = np.random.default_rng(5)
    for step in range(70, 200):
        metrics = {
            "system.memory.utilization": 0.4 + 0.002 * step + float(quiet_more.normal(0, 0.01)),
            "late.disk": 1.0,
        }
        builder.learn(window(step, levels={"error": step % 3}, metrics=metrics))
        if step % 7 == 0:
            state.save(builder, db)
    state.save(builder, db)
    again = FeatureBuilder(ForecastOptions(baseline_points=20))
    state.load(again, db)
    assert np.allclose(again.vector("h", START).values, builder.vector("h", START).values, atol=1e-5)
    # and they stay together
    for step in range(200, 230):
        for one in (builder, again):
            one.learn(window(step, levels={"error": 1}, metrics={"system.memory.utilization": 0.5}))
    assert np.allclose(again.vector("h", START).values, builder.vector("h", START).values, atol=0.05)
    assert db.execute("select count(*) from predict_blocks").fetchone()[0] <= 20
    assert db.execute("select count(*) from predict_steps").fetchone()[0] <= 90
    other = FeatureBuilder(ForecastOptions(step_s=20))
    state.load(other, db)
    assert not other.hosts


def test_forgotten_hosts_leave_the_database() -> None:
    db = sqlite3.connect(":memory:")
    builder = FeatureBuilder(ForecastOptions(max_hosts=1))
    builder.learn(window(0, host="a", metrics={"x": 1.0}))
    state.save(builder, db)
    builder.learn(window(0, host="b", metrics={"x": 1.0}))
    state.save(builder, db)
    assert {row[0] for row in db.execute("select host from predict_steps union select host from predict_columns")} == {
        "b"
    }


def test_baseline_median_and_spread_of_a_known_distribution() -> None:
    history = HostHistory(steps=10, blocks=200, steps_per_block=1, max_metrics=5)
    rng = np.random.default_rng(0)
    for step in range(400):
        history.put(step, [0.0] * 12, {"m": float(rng.normal(50, 4))})
    centre, spread = history.usual()
    assert centre[-1] == pytest.approx(50, abs=1)
    assert spread[-1] == pytest.approx(4, rel=0.2)


def test_cost_of_a_step_allows_a_thousand_hosts() -> None:
    builder = FeatureBuilder()
    names = [f"{family}.m{i}" for family in ("cpu", "disk", "memory.util", "net.errors") for i in range(10)]
    for step in range(100):
        builder.learn(window(step, metrics={n: float(step + i) for i, n in enumerate(names)}))
    began = time.process_time()
    for _ in range(50):
        builder.vector("h", START)
    assert (time.process_time() - began) / 50 < 0.008  # 1 ms on a free core; 1,000 hosts in a step of 10 s
