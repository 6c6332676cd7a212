"""The forecaster with and without a model, fed as the pipeline feeds it."""

import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from logsense.errors import BadModel
from logsense.predict.failure import DRIFT_EDGES, ESTIMATORS, FailureModel, FitOptions
from logsense.predict.features import feature_names
from logsense.predict.forecaster import NOT_ENOUGH, TIME_TO_LIMIT, Forecaster
from logsense.predict.options import ForecastOptions
from logsense.predict.windows import HostWindow
from logsense.record import Forecast, Signal

STEP = 10_000_000_000
START = 1_790_000_000_000_000_000 // STEP * STEP
OPTIONS = ForecastOptions(horizon_s=300, emit_every_s=0)
NAMES = feature_names(OPTIONS)


def training_set(seed: int = 0, onsets: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Disk pressure and errors before failures, noise otherwise; one nuisance feature is anti-correlated."""
    rng = np.random.default_rng(seed)
    rows = onsets * 40
    x = np.abs(rng.normal(0, 0.2, (rows, len(NAMES)))).astype(np.float32)
    y = np.zeros(rows, np.int8)
    onset = np.full(rows, -1, np.int64)
    for i in range(onsets):
        last = slice(i * 40 + 30, i * 40 + 40)
        y[last], onset[last] = 1, i
        x[last, NAMES.index("disk:projected")] = rng.uniform(0.6, 1, 10)
        x[last, NAMES.index("log.errors:excess.60")] = rng.uniform(0.5, 2, 10)
        x[last, NAMES.index("cpu:high")] = 0
    return x, y, onset


def fitted(onsets: int = 12, estimator: str = "logistic") -> FailureModel:
    x, y, onset = training_set(onsets=onsets)
    return FailureModel.fit(x, y, onset, OPTIONS, NAMES, FitOptions(estimator=estimator)).with_threshold(0.5)


@pytest.mark.parametrize("estimator", sorted(ESTIMATORS))
def test_model_ranks_unseen_steps_and_never_falls_with_a_bad_sign(estimator: str) -> None:
    model = fitted(estimator=estimator)
    x, y, _ = training_set(seed=9)
    p = model.probabilities(x)
    assert p[y == 1].mean() > 0.6 > 0.2 > p[y == 0].mean()
    for name in ("cpu:high", "disk:projected"):
        more = x.copy()
        more[:, NAMES.index(name)] += 1
        assert (model.probabilities(more) >= p - 1e-9).all()


def test_calibration_needs_twenty_failures() -> None:
    assert not fitted(onsets=12).calibrated
    model = fitted(onsets=40)
    assert model.calibrated
    x, y, _ = training_set(seed=9, onsets=40)
    assert abs(model.probabilities(x).mean() - y.mean()) < 0.05


def test_base_rate_is_kept_although_the_classes_weigh_the_same() -> None:
    x, y, onset = training_set()
    rng = np.random.default_rng(1)
    noise = np.abs(rng.normal(0, 0.2, x.shape)).astype(np.float32)  # nothing to learn: the mean must be the rate
    model = FailureModel.fit(noise, y, onset, OPTIONS, NAMES)
    assert model.probabilities(noise).mean() == pytest.approx(y.mean(), abs=0.08)


def test_reasons_name_the_groups_that_raised_it() -> None:
    model = fitted()
    values = np.zeros(len(NAMES), np.float32)
    values[NAMES.index("disk:projected")] = 1
    values[NAMES.index("network:level")] = 1
    quiet, raised = model.probabilities(np.stack([values * 0, values])).tolist()
    (group, weight), *others = model.reasons(values, raised)
    assert group == "disk" and weight == pytest.approx(raised - quiet, abs=0.1)
    assert all(w < weight for _, w in others)
    assert model.reasons(values * 0, quiet) == []


@pytest.mark.parametrize("broken", [{}, {"names": []}, None])
def test_artefacts_that_do_not_fit_are_refused(broken: dict | None) -> None:
    parts = fitted().to_artefact()
    parts = parts | {"reference": np.zeros((3, len(DRIFT_EDGES)))} if broken is None else broken
    with pytest.raises(BadModel):
        FailureModel(parts)


def test_nothing_to_learn_from_is_said() -> None:
    x, y, onset = training_set()
    with pytest.raises(BadModel, match="Nothing to learn"):
        FailureModel.fit(x, y * 0, onset, OPTIONS, NAMES)
    with pytest.raises(BadModel, match="estimator"):
        FailureModel.fit(x, y, onset, OPTIONS, NAMES, FitOptions(estimator="oracle"))


def play(forecaster: Forecaster, steps: range, disk: object = None, host: str = "db1") -> list[Forecast]:
    """Quiet noise; from step 60 on the disk fills by 0.8 % a step when ``disk``."""
    rng = np.random.default_rng(2)
    out = []
    for step in steps:
        at = START + step * STEP
        share = 0.4 + float(rng.normal(0, 0.002)) + (max(0, step - 60) * 0.008 if disk else 0)
        metrics = {"system.disk.utilization": min(share, 1.0), "system.cpu.utilization": float(rng.uniform(0.1, 0.3))}
        window = HostWindow(host, at, at + STEP, {"info": 5}, metrics=metrics)
        out += forecaster.update([window], [], at + STEP)
    return out


def test_without_a_model_a_filling_disk_is_forecast_as_what_it_is() -> None:
    forecaster = Forecaster(OPTIONS)
    calm = play(forecaster, range(60))
    assert {f.state for f in calm} == {NOT_ENOUGH}
    assert all(f.probability == 0 and f.reasons for f in calm)
    forecasts = play(forecaster, range(60, 130), disk=True)
    told = [f for f in forecasts if f.state == "ok" and f.probability > 0.8]
    assert told
    assert {f.model for f in told} == {TIME_TO_LIMIT} and not any(f.calibrated for f in told)
    text, _ = told[0].reasons[0]
    assert "system.disk.utilization" in text and "full in about" in text
    # full at step 135: announced with most of the horizon left
    lead = START + 135 * STEP - told[0].made_ns
    assert 120e9 < lead <= 400e9
    assert forecaster.alarms.hosts_in_alarm() == ["db1"]


def test_with_a_model_history_is_needed_first_and_reasons_are_readable() -> None:
    forecaster = Forecaster(OPTIONS, fitted(), pipeline="database")
    early = play(forecaster, range(20))
    assert {f.state for f in early} == {NOT_ENOUGH}
    assert "300 s are needed" in early[0].reasons[0][0]
    later = play(forecaster, range(20, 131), disk=True)
    assert {f.state for f in later[20:]} == {"ok"}
    assert later[-1].probability > 0.8
    assert "system.disk.utilization" in later[-1].reasons[0][0]
    assert later[-1].pipeline == "database"
    assert {f.model for f in later[20:40]} == {"failure/"}  # until the trend of the disk speaks louder


def test_the_models_own_features_are_used() -> None:
    forecaster = Forecaster(replace(OPTIONS, horizon_s=999, step_s=20), fitted())
    assert (forecaster.options.horizon_s, forecaster.options.step_s) == (300, 10)
    history = forecaster.builder
    play(forecaster, range(3))
    forecaster.set_model(fitted(onsets=40))
    assert forecaster.builder is history
    forecaster.set_model(None)
    assert forecaster.options.horizon_s == 999


def test_forecasts_are_passed_on_once_a_minute_or_when_they_change() -> None:
    forecaster = Forecaster(replace(OPTIONS, emit_every_s=60))
    assert len(play(forecaster, range(60))) == 10
    made = [f.made_ns for f in play(forecaster, range(60, 130), disk=True)]
    assert len(made) > 12
    assert len({f.id for f in play(Forecaster(OPTIONS), range(5))}) == 5


def test_silent_hosts_are_forecast_until_they_are_gone_and_clocks_ahead_are_ignored() -> None:
    forecaster = Forecaster(OPTIONS)
    play(forecaster, range(5))
    now = START + 6 * STEP
    assert [f.host for f in forecaster.update([], [], now)] == ["db1"]
    ahead = HostWindow("db2", now + 10**18, now + 10**18 + STEP)
    assert [f.host for f in forecaster.update([ahead], [], now + STEP)] == ["db1"]
    assert forecaster.future == 1
    told = sum(len(forecaster.update([], [], now + i * STEP)) for i in range(2, 200))
    assert 80 <= told <= 90  # 15 min after its last sign a host is gone
    assert [f.host for f in play(forecaster, range(300, 301))] == ["db1"]


def test_an_alarm_ends_when_its_host_is_gone() -> None:
    forecaster = Forecaster(replace(OPTIONS, max_alarm_s=10**6))
    play(forecaster, range(120), disk=True)
    assert forecaster.alarms.hosts_in_alarm() == ["db1"]
    forecaster.update([], [], START + 400 * STEP)
    assert forecaster.alarms.hosts_in_alarm() == []
    assert not forecaster.alarms.active("db1")


def test_what_is_kept_per_host_is_bounded() -> None:
    forecaster = Forecaster(replace(OPTIONS, max_hosts=2))
    for i in range(20):
        play(forecaster, range(i, i + 1), host=f"h{i}")
    assert len(forecaster.builder.hosts) == 2
    assert len(forecaster.alarms.states) <= 5


def test_signals_found_later_reach_their_host() -> None:
    forecaster = Forecaster(OPTIONS)
    play(forecaster, range(3))
    signal = Signal("s", "metric.high", START + 2 * STEP, START + 3 * STEP, 5.0, host="db1")
    forecaster.update([], [signal, replace(signal, host="")], START + 4 * STEP)
    vector = forecaster.builder.vector("db1", START + 4 * STEP)
    assert vector.values[NAMES.index("signals.metric:count.60")] == pytest.approx(np.log(2))


def test_a_restart_keeps_history_and_alarms() -> None:
    db = sqlite3.connect(":memory:")
    forecaster = Forecaster(OPTIONS)
    play(forecaster, range(115), disk=True)
    forecaster.save(db)
    again = Forecaster(OPTIONS)
    again.load(db)
    assert again.alarms.active("db1") and forecaster.alarms.active("db1")
    a, b = (play(f, range(115, 120), disk=True) for f in (forecaster, again))
    assert [f.probability for f in a] == pytest.approx([f.probability for f in b], abs=1e-4)
    assert again.alarms.hosts_in_alarm() == ["db1"]


def test_windows_of_the_past_change_nothing_and_are_not_forecast() -> None:
    forecaster = Forecaster(OPTIONS)
    play(forecaster, range(100))
    before = forecaster.builder.vector("db1", START).values
    assert play(forecaster, range(-500, -480)) == []
    assert np.array_equal(forecaster.builder.vector("db1", START).values, before)


def test_recent_features_are_a_bounded_sample_that_survives_a_restart() -> None:
    db = sqlite3.connect(":memory:")
    forecaster = Forecaster(replace(OPTIONS, recent_vectors=3))
    for steps in (range(60), range(60, 100)):
        play(forecaster, steps)
        forecaster.save(db)
    assert forecaster.recent_features().shape == (3, len(NAMES))
    again = Forecaster(replace(OPTIONS, recent_vectors=3))
    again.load(db)
    assert np.array_equal(again.recent_features(), forecaster.recent_features())
    again.set_model(fitted())
    assert again.recent_features().shape == (3, len(NAMES))
    again.set_model(FailureModel(fitted().to_artefact() | {"options": fitted().feature_options | {"horizon_s": 60}}))
    assert again.recent_features().shape == (0, len(NAMES))
