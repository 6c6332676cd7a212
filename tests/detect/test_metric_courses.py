"""The slow view: courses unlike days of the past, a host's metrics together, and input that must not matter."""

from __future__ import annotations

import math
import sqlite3

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logsense.detect import FOREVER, MetricAnomaly, MetricAnomalyOptions, Window, Windows
from logsense.detect.hostmodel import LEAST_ROWS, HostModel
from logsense.detect.metric_courses import LONGEST_TICKS, Courses, muted
from logsense.detect.novelty import SHORTEST, TAIL_AT, TAIL_FROM, Novelty, tail
from logsense.detect.windows import SECOND, SeriesKey
from logsense.record import MetricPoint, Signal

OPTIONS = MetricAnomalyOptions(course_s=300, course_ticks=600, course_probation=150)
STEP = 300 * SECOND
T0 = 1_764_000_000 * SECOND // STEP * STEP
NO_FLOOR = lambda *_: 0.0  # noqa: E731


def swing(ticks: int, seed: int = 1, day: int = 96) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 50 + 20 * np.sin(2 * np.pi * np.arange(ticks) / day) + rng.normal(0, 1, ticks)


def feed(courses: Courses, series: dict[SeriesKey, np.ndarray], begin: int = 0) -> list[Signal]:
    """Latest version of each signal; NaN is a missing value."""
    found: dict[str, Signal] = {}
    for tick in range(len(next(iter(series.values())))):
        at = T0 + (begin + tick) * STEP
        window = Window(at, at + STEP)
        values = {key: float(v[tick]) for key, v in series.items() if not math.isnan(v[tick])}
        for signal in courses.score(window, values):
            found[signal.id] = signal
        courses.learn(window, values)
    return list(found.values())


def test_a_course_that_the_past_does_not_hold_is_one_alarm() -> None:
    values = swing(500)
    values[400:424] = values[352:376] - 35.0  # within the reach of other times of day, and wrong for this one
    signals = feed(Courses(OPTIONS, NO_FLOOR), {SeriesKey("h", "app.load"): values})
    assert len(signals) == 1
    assert T0 + 400 * STEP <= signals[0].start_ns <= T0 + 424 * STEP
    assert signals[0].metric == "app.load"
    assert signals[0].evidence


def test_an_alarm_has_an_end_and_a_new_level_becomes_the_past() -> None:
    values = swing(700)
    values[300:] += 200.0
    courses = Courses(OPTIONS, NO_FLOOR)
    signals = feed(courses, {SeriesKey("h", "app.load"): values})
    first = min(signals, key=lambda s: s.start_ns)
    assert first.end_ns - first.start_ns <= LONGEST_TICKS * STEP
    assert "new level" in first.text
    assert not [s for s in signals if s.start_ns > T0 + (300 + muted(300) + 96) * STEP]
    assert 0 < courses.share_in_alarm() < 0.1


def test_nothing_is_said_in_probation() -> None:
    values = swing(OPTIONS.course_probation - 1)
    values[-20:] += 500
    assert feed(Courses(OPTIONS, NO_FLOOR), {SeriesKey("h", "app.load"): values}) == []


def host(ticks: int, seed: int = 2) -> dict[SeriesKey, np.ndarray]:
    rng = np.random.default_rng(seed)
    load = swing(ticks, seed)
    return {SeriesKey("h", f"m{n}"): load * (n + 1) + rng.normal(0, 1 + n, ticks) for n in range(6)}


def test_metrics_that_part_company_are_found_and_blamed() -> None:
    series = host(500)
    series[SeriesKey("h", "m3")][450:460] = np.median(series[SeriesKey("h", "m3")][:400]) + 200.0
    found = [s for s in feed(Courses(OPTIONS, NO_FLOOR), series) if "together" in s.text]
    assert found
    assert found[0].metric == "m3"
    assert found[0].evidence[0].startswith("metric:h/m3@")
    assert T0 + 450 * STEP <= found[0].start_ns <= T0 + 460 * STEP


def test_state_survives_a_restart_at_any_tick_and_with_new_series() -> None:
    series = host(420)
    series[SeriesKey("h", "m1")][400:410] += 300
    late = np.full(420, np.nan)
    late[250:] = 5.0
    series[SeriesKey("h2", "late")] = late
    whole, expected = Courses(OPTIONS, NO_FLOOR), []
    expected = feed(whole, series)
    db = sqlite3.connect(":memory:")
    found: dict[str, Signal] = {}
    for begin, end in ((0, 200), (200, 300), (300, 401), (401, 420)):
        part = Courses(OPTIONS, NO_FLOOR)
        part.load(db)
        found |= {s.id: s for s in feed(part, {key: v[begin:end] for key, v in series.items()}, begin)}
        part.save(db)
    db.close()
    assert {s.id for s in expected} == set(found)
    assert expected


def test_a_row_that_has_a_new_owner_keeps_nothing_of_the_old_one_over_a_restart() -> None:
    options = MetricAnomalyOptions(course_ticks=60, course_probation=20)
    gone, late = swing(200), np.full(200, np.nan)
    gone[100:] = np.nan
    late[190:] = 3.0
    series = {SeriesKey("h", "gone"): gone, SeriesKey("h", "late"): late, SeriesKey("h", "x"): swing(200)}
    one, other, db = Courses(options, NO_FLOOR), Courses(options, NO_FLOOR), sqlite3.connect(":memory:")
    for begin in range(0, 200, 10):
        feed(one, {key: v[begin : begin + 10] for key, v in series.items()}, begin)
        one.save(db)
    other.load(db)
    db.close()
    for key, row in one.rows.items():
        expected = one.novelty.history(np.array([row]), 60)
        assert np.array_equal(other.novelty.history(np.array([other.rows[key]]), 60), expected, equal_nan=True)
    assert set(other.rows) == {SeriesKey("h", "late"), SeriesKey("h", "x")}


def test_a_pause_is_no_anomaly_and_a_series_that_is_gone_is_forgotten() -> None:
    values = swing(500)
    values[300:340] = np.nan
    assert feed(Courses(OPTIONS, NO_FLOOR), {SeriesKey("h", "x"): values}) == []
    options = MetricAnomalyOptions(course_ticks=60, course_probation=20)
    courses = Courses(options, NO_FLOOR)
    gone = swing(300)
    gone[100:] = np.nan
    feed(courses, {SeriesKey("h", "gone"): gone, SeriesKey("h", "x"): swing(300)})
    assert set(courses.rows) == {SeriesKey("h", "x")}


def test_scoring_changes_nothing() -> None:
    bank, values = Novelty(3), swing(300)
    for value in values:
        bank.learn(np.array([value, 1.0, np.nan]))
    before = [getattr(bank, name).copy() for name in bank.NUMBERS]
    first = bank.score(np.array([500.0, 2.0, 1.0]))
    assert np.array_equal(first, bank.score(np.array([500.0, 2.0, 1.0])), equal_nan=True)
    for name, was in zip(bank.NUMBERS, before, strict=True):
        assert np.array_equal(getattr(bank, name), was, equal_nan=True)
    assert first[0] > 5
    assert math.isnan(first[2])


def test_the_tail_is_a_probability() -> None:
    z = np.linspace(TAIL_FROM + 0.01, 40, 50)
    scores = tail(z)
    assert np.all(np.diff(scores) > 0)
    assert scores[0] >= -math.log10(TAIL_AT) - 1e-6
    assert tail(np.array([np.nan, -5.0, 0.0])).tolist() == [0.0, 0.0, 0.0]


# -- input that must not matter --------------------------------------------------------------------------

NASTY = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 1e308, -1e308, math.inf, -math.inf, math.nan])
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(NASTY, min_size=1, max_size=12), st.integers(0, 2**31))
def test_no_value_breaks_the_novelty(nasty: list[float], seed: int) -> None:
    bank, rng = Novelty(2, past=100), np.random.default_rng(seed)
    for tick in range(2 * SHORTEST + 20):
        bank.learn(np.array([rng.normal(), 1.0]))
        if tick % 7 == 0:
            bank.learn(np.array([nasty[tick % len(nasty)], nasty[(tick + 1) % len(nasty)]]))
    for value in nasty:
        scores = bank.score(np.array([value, value]))
        assert not np.any(np.isinf(scores))
        bank.learn(np.array([value, value]))
    assert all(np.all(np.isfinite(getattr(bank, name))) for name in bank.NUMBERS)


@settings(max_examples=25, deadline=None)
@given(st.lists(NASTY, min_size=1, max_size=20))
def test_no_value_breaks_the_host_model(nasty: list[float]) -> None:
    rows = np.random.default_rng(1).normal(size=(2 * LEAST_ROWS, 5))
    for number, value in enumerate(nasty):
        rows[number * 5 % len(rows), number % 5] = value
    model = HostModel.fit(rows)
    assert model is not None
    odd = np.array([(nasty * 5)[:5]])
    assert np.all(np.isfinite(model.score(odd)))
    assert np.all(np.isfinite(model.blame(odd, rows[-3:])))


def test_a_host_without_a_past_has_no_model() -> None:
    assert HostModel.fit(np.zeros((0, 5))) is None
    assert HostModel.fit(np.full((500, 5), np.nan)) is None
    still = HostModel.fit(np.ones((500, 5)))
    assert still is not None
    assert still.score(np.ones((1, 5)))[0] < 1.0


def through_all(points: list[MetricPoint], options: MetricAnomalyOptions) -> list[Signal]:
    windows, detector, found = Windows(), MetricAnomaly(options), {}
    windows.add_metrics(points)
    for window in windows.closed(FOREVER):
        found |= {s.id: s for s in detector.score(window)}
        detector.learn(window)
    return list(found.values())


@pytest.mark.parametrize(
    "name", ["constant", "all NaN", "one point", "backwards", "vanishing", "huge", "infinite", "flipping"]
)
def test_bad_series_make_no_storm(name: str) -> None:
    """Through windows and both views, with ticks short enough that the slow one has its say."""
    options = MetricAnomalyOptions(course_s=20, course_ticks=150, course_probation=60)
    count = 300
    rng = np.random.default_rng(3)
    values: dict[str, list[float]] = {
        "constant": [7.0] * count,
        "all NaN": [math.nan] * count,
        "one point": [1.0],
        "backwards": rng.normal(5, 1, count).tolist(),
        "vanishing": rng.normal(5, 1, count // 2).tolist(),
        "huge": [1e308] * count,
        "infinite": [math.inf if n % 2 else 1.0 for n in range(count)],
        "flipping": [1e308 if n % 2 else -1e308 for n in range(count)],
    }
    times = list(range(len(values[name])))
    if name == "backwards":
        times.reverse()
    points = [
        MetricPoint("app.value", "h", T0 + at * 10 * SECOND, value)
        for at, value in zip(times, values[name], strict=True)
    ]
    assert len(through_all(points, options)) <= 1
