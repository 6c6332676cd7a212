"""Extrapolation against lines whose end is known, and against curves that must not be extrapolated."""

import numpy as np
import pytest

from logsense.predict import trend

STEP = 10.0


def column(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, 1)


def test_time_to_limit_of_a_noisy_line_is_within_its_own_bounds() -> None:
    rng = np.random.default_rng(3)
    inside, errors = 0, []
    for _ in range(100):
        slope, now = rng.uniform(0.0005, 0.002), rng.uniform(0.5, 0.9)
        t = np.arange(-29, 1) * STEP
        line = trend.fit(column(now + slope * t + rng.normal(0, 0.005, 30)), STEP)
        reach = trend.reach(line, 600)
        true = (1 - now) / slope
        inside += bool(reach.earliest[0] <= true <= reach.latest[0])
        errors.append(abs(reach.seconds[0] - true) / true)
    assert np.median(errors) < 0.05
    assert inside >= 85  # two standard errors of the slope, and the level's own error


def test_probability_within_horizon_is_calibrated_for_a_true_line() -> None:
    rng = np.random.default_rng(4)
    told, happened = [], []
    for _ in range(600):
        slope, now, noise = rng.uniform(0.0002, 0.002), rng.uniform(0.3, 0.95), 0.01
        t = np.arange(-29, 1) * STEP
        line = trend.fit(column(now + slope * t + rng.normal(0, noise, 30)), STEP)
        if line.r2[0] >= trend.MIN_R2:
            told.append(trend.reach(line, 300).probability[0])
            happened.append(now + slope * 300 + rng.normal(0, noise) >= 1)
    told_, happened_ = np.array(told), np.array(happened)
    assert len(told_) > 300
    assert happened_[told_ > 0.9].mean() > 0.9
    assert happened_[told_ < 0.1].mean() < 0.1


@pytest.mark.parametrize(
    "curve",
    [
        np.full(30, 0.5),
        np.where(np.arange(30) < 15, 0.3, 0.6),  # a restart with another footprint
        0.9 - 0.6 * np.exp(-np.arange(30) / 5),  # a cache that warms up
        0.5 + 0.2 * np.sin(np.arange(30)),  # a saw tooth
        np.linspace(0.9, 0.3, 30),  # falling
    ],
)
def test_no_reach_without_a_rising_line(curve: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    reach = trend.reach(trend.fit(column(curve + rng.normal(0, 0.003, 30)), STEP), 600)
    assert np.isinf(reach.seconds[0])
    assert reach.probability[0] == 0


def test_gaps_and_too_few_points() -> None:
    values = np.full((30, 3), np.nan)
    values[::6, 0] = np.linspace(0.1, 0.5, 5)  # one value a minute still makes a trend
    values[[3, 9], 1] = (0.1, 0.9)
    line = trend.fit(values, STEP)
    assert line.slope[0] == pytest.approx(0.1 / 60, rel=1e-6)
    assert line.slope[1] == line.slope[2] == 0
    assert np.isfinite(trend.reach(line, 600).probability).all()
