"""What is foreseen without a model: limits, queues, dates, falls; and what must not raise anything."""

import sqlite3

import numpy as np
import pytest

from logsense.predict.explain import outlook_text
from logsense.predict.features import FeatureBuilder
from logsense.predict.forecaster import Forecaster
from logsense.predict.options import ForecastOptions
from logsense.predict.outlook import EXPIRY, FLAPPING, GROWTH, LIMIT, Outlook
from logsense.predict.windows import HostWindow, WindowSignal
from logsense.record import Forecast

STEP = 10_000_000_000
START = 1_790_000_000_000_000_000 // STEP * STEP
QUIET = 40


def window(step: int, metrics: dict[str, float] | None = None, signals: list[WindowSignal] | None = None) -> HostWindow:
    at = START + step * STEP
    return HostWindow("h", at, at + STEP, {"info": 3}, signals=signals or [], metrics=metrics or {})


def outlooks(series: dict[str, np.ndarray]) -> tuple[Outlook, ...]:
    builder = FeatureBuilder(ForecastOptions())
    length = len(next(iter(series.values())))
    for step in range(length):
        builder.learn(window(step, {name: float(v[step]) for name, v in series.items() if np.isfinite(v[step])}))
    return builder.vector("h", START + length * STEP).outlooks


def filling(start: float, end: float, steps: int) -> np.ndarray:
    return np.concatenate([np.full(QUIET, start), np.linspace(start, end, steps + 1)[1:]])


@pytest.mark.parametrize(
    ("series", "metric"),
    [
        ({"system.filesystem.utilization": filling(0.2, 0.7, 10)}, "system.filesystem.utilization"),
        ({"disk.used_percent": filling(20, 70, 10)}, "disk.used_percent"),
        (
            {"node_filesystem_avail_bytes": filling(8e9, 3e9, 10), "node_filesystem_size_bytes": np.full(50, 1e10)},
            "node_filesystem_avail_bytes",
        ),
        ({"node_filesystem_files_free": filling(1e6, 3e5, 10)}, "node_filesystem_files_free"),
        ({"process_open_fds": filling(20, 600, 10), "process_max_fds": np.full(50, 1024)}, "process_open_fds"),
        (
            {
                "container_memory_working_set_bytes": filling(1e8, 3e8, 10),
                "container_spec_memory_limit_bytes": np.full(50, 4e8),
            },
            "container_memory_working_set_bytes",
        ),
        (
            {"pg_stat_activity_count": filling(10, 70, 10), "pg_settings_max_connections": np.full(50, 100)},
            "pg_stat_activity_count",
        ),
        (
            {"redis_connected_clients": filling(10, 70, 10), "redis_config_maxclients": np.full(50, 100)},
            "redis_connected_clients",
        ),
        (
            {"db.client.connections.usage": filling(1, 11, 10), "db.client.connections.max": np.full(50, 16)},
            "db.client.connections.usage",
        ),
    ],
)
def test_whatever_fills_is_foreseen_under_any_name(series: dict[str, np.ndarray], metric: str) -> None:
    found = outlooks(series)[0]
    assert (found.kind, found.metric) == (LIMIT, metric)
    assert found.probability > 0.5
    assert found.earliest < found.seconds < found.latest
    true = {True: 60, False: 80}[metric.startswith("node")]
    assert found.seconds == pytest.approx(true, rel=0.6)
    assert "about" in outlook_text(found)


@pytest.mark.parametrize(
    "series",
    [
        {"system.cpu.utilization": filling(0.1, 0.8, 10)},  # load is no filling
        {"http.requests": filling(10, 900, 10)},
        {"hikaricp_connections_idle": filling(1, 15, 10), "hikaricp_connections_max": np.full(50, 16)},
        {"system.disk.utilization": filling(0.1, 0.15, 10)},
        {"system.disk.utilization": np.full(50, 1.0)},  # full is no forecast any more
        {"redis.memory.used": filling(1e6, 9e6, 10), "redis.memory.max": np.zeros(50)},  # 0: no limit
        {"process_open_fds": filling(20, 600, 10), "process_max_fds": np.full(50, np.nan)},
        {"queue.depth": np.full(50, 1e30)},
        {"queue.depth": np.concatenate([np.full(49, 3.0), [400.0]])},  # one jump
    ],
)
def test_what_raises_nothing(series: dict[str, np.ndarray]) -> None:
    assert all(o.probability < 0.3 for o in outlooks(series))


def test_what_came_back_by_itself_before_is_believed_less() -> None:
    tooth = np.concatenate([np.linspace(0.2, 0.6, 8), np.full(6, 0.2)])
    first = outlooks({"system.disk.utilization": np.concatenate([np.full(QUIET, 0.2), tooth[:7]])})
    third = outlooks({"system.disk.utilization": np.concatenate([np.full(QUIET, 0.2), tooth, tooth, tooth[:7]])})
    beyond = outlooks({"system.disk.utilization": np.concatenate([np.full(QUIET, 0.2), tooth, tooth,
                                                                  np.linspace(0.2, 0.8, 12)])})  # fmt: skip
    assert third[0].probability < 0.5 < first[0].probability
    assert beyond[0].probability > 0.7


def test_a_failure_is_no_harmless_peak() -> None:
    leak = np.concatenate([np.full(QUIET, 0.2), np.linspace(0.2, 0.95, 12), np.full(20, 0.2), np.linspace(0.2, 0.7, 9)])
    assert outlooks({"system.memory.utilization": leak})[0].probability > 0.6


def test_a_queue_that_only_grows_needs_no_limit() -> None:
    found = outlooks({"jobs_queue_length": np.concatenate([np.full(QUIET, 2.0), 2 + 12 * np.arange(1, 11)])})[0]
    assert found.kind == GROWTH and found.probability > 0.5 and found.seconds == np.inf
    assert "growing for" in outlook_text(found)


@pytest.mark.parametrize(
    ("name", "left_to_value"),
    [
        ("tls.certificate.expires_in", lambda left, now: left),
        ("probe_ssl_earliest_cert_expiry", lambda left, now: now + left),
        ("x509_cert_not_after", lambda left, now: 1000 * (now + left)),
        ("certificate_expiry_days", lambda left, now: left / 86_400),
    ],
)
def test_dates_are_exact_and_announced_one_horizon_ahead(name: str, left_to_value: object) -> None:
    builder = FeatureBuilder(ForecastOptions(horizon_s=300))
    seen = []
    for step in range(120):
        end = (START + (step + 1) * STEP) / 1e9
        left = 900.0 - 10 * (step + 1)
        mid = left + 5 if name.endswith(("in", "days")) else left  # a rest is the mean of its window
        if left > 0:
            builder.learn(window(step, {name: left_to_value(mid, end)}))  # type: ignore[operator]
            seen += [(left, o) for o in builder.vector("h", START + (step + 1) * STEP).outlooks]
    assert {o.kind for _, o in seen} == {EXPIRY}
    assert max(left for left, _ in seen) == pytest.approx(300, abs=10)
    assert all(o.seconds == pytest.approx(left, abs=1) for left, o in seen)


def test_long_lived_certificates_are_announced_days_ahead() -> None:
    day = 86_400.0
    fresh = outlooks({"tls.certificate.expires_in": 90 * day - 10.0 * np.arange(50)})
    near = outlooks({"tls.certificate.expires_in": np.concatenate([[90 * day], 10 * day - 10.0 * np.arange(50)])})
    assert not fresh
    assert near[0].kind == EXPIRY and near[0].horizon_s == 14 * day


def test_a_service_that_falls_faster_and_faster() -> None:
    falls = {40, 46, 50, 53}
    counter = np.cumsum([step in falls for step in range(55)]).astype(float)
    found = outlooks({"node_systemd_service_restart_total": counter})[0]
    assert found.kind == FLAPPING and found.probability > 0.8
    assert "ever more often" in outlook_text(found)
    rare = np.cumsum([step in {20, 26, 44} for step in range(55)]).astype(float)
    assert not outlooks({"node_systemd_service_restart_total": rare})
    builder = FeatureBuilder()
    for step in range(55):  # the same from the logs alone; exit and restart of a fall are two signals
        fell = step in falls or step - 1 in falls
        builder.learn(window(step, signals=[WindowSignal("log.unit", 4.0, "")] if fell else []))
    assert builder.vector("h", START + 55 * STEP).outlooks[0].metric == "failed units"


def play(forecaster: Forecaster, values: np.ndarray, first: int = 0) -> list[Forecast]:
    out = []
    for step, value in enumerate(values.tolist(), first):
        out += forecaster.update([window(step, {"disk.used_percent": value})], (), START + (step + 1) * STEP)
    return out


def test_forecasts_carry_metric_time_range_and_alarm() -> None:
    forecaster = Forecaster(ForecastOptions(emit_every_s=0))
    made = play(forecaster, filling(20, 98, 20))
    on = [f for f in made if f.alarm]
    assert on and on[0].metric == "disk.used_percent"
    end = START + (QUIET + 20) * STEP
    assert (end - on[0].made_ns) / 1e9 >= 100  # at least half of the 200 s that it took
    assert on[0].eta_s == pytest.approx((end - on[0].made_ns) / 1e9, rel=0.3)
    assert on[0].eta_low_s is not None and on[0].eta_high_s is not None
    assert on[0].eta_low_s < on[0].eta_s < on[0].eta_high_s
    assert not any(f.alarm for f in made[:QUIET])


def test_noise_raises_no_alarm_in_a_week_of_host_hours() -> None:
    rng = np.random.default_rng(5)
    forecaster = Forecaster(ForecastOptions())
    level = 40 + np.cumsum(rng.normal(0, 0.2, 6000)).clip(-15, 15) + rng.normal(0, 3, 6000)
    assert not any(f.alarm for f in play(forecaster, level))


def test_alarms_and_outlooks_survive_a_restart() -> None:
    values, db = filling(20, 98, 20), sqlite3.connect(":memory:")
    forecaster = Forecaster(ForecastOptions(emit_every_s=0))
    play(forecaster, values[:54])
    forecaster.save(db)
    again = Forecaster(ForecastOptions(emit_every_s=0))
    again.load(db)
    a, b = (play(f, values[54:], 54) for f in (forecaster, again))
    assert [round(f.probability, 3) for f in a] == [round(f.probability, 3) for f in b]
    assert all(f.alarm for f in b[:3])
