"""Ramps whose end is known, and shapes that are none."""

import numpy as np
import pytest

from logsense.predict import ramp

STEP = 10.0


@pytest.mark.parametrize("before", [0, 20, 60])
def test_the_time_to_the_limit_counts_from_the_last_change(before: int) -> None:
    rng = np.random.default_rng(before)
    inside, errors = 0, []
    for _ in range(60):
        base, slope = rng.uniform(0.1, 0.4), rng.uniform(0.001, 0.004)
        level = base + slope * STEP * np.arange(1, 16)
        values = np.concatenate([np.full(before, base), level]) + rng.normal(0, 0.004, before + 15)
        found = ramp.find(values, STEP)
        assert found is not None
        seconds, earliest, latest = found.seconds_to(1.0)
        true = (1 - level[-1]) / slope
        errors.append(abs(seconds - true) / true)
        inside += earliest <= true <= latest
        assert 0.6 * 15 * STEP <= found.evidence_s <= 2 * 15 * STEP
    assert np.median(errors) < 0.1
    assert inside >= 54


def test_a_leak_that_speeds_up_is_extrapolated_at_its_new_pace() -> None:
    values = np.concatenate([0.1 + 0.01 * np.arange(12), 0.22 + 0.02 * np.arange(1, 13)])
    found = ramp.find(values, STEP)
    assert found is not None
    assert found.slope == pytest.approx(0.002, rel=0.1)


@pytest.mark.parametrize(
    "curve",
    [
        np.full(30, 0.5),
        np.where(np.arange(30) < 27, 0.3, 0.6),  # a restart with another footprint
        0.9 - 0.6 * np.exp(-np.arange(30) / 5),  # a cache that warms up
        0.5 + 0.2 * np.sin(np.arange(30)),  # a saw tooth
        np.linspace(0.9, 0.3, 30),  # falling
        np.concatenate([np.linspace(0.1, 0.6, 25), np.full(5, 0.6)]),  # an export that has ended
        np.concatenate([np.linspace(0.1, 0.6, 25), np.full(5, np.nan)]),  # it stopped reporting
        np.full(30, np.nan),
        np.array([0.1, 0.9]),
    ],
)
def test_what_is_no_ramp(curve: np.ndarray) -> None:
    found = ramp.find(curve, STEP)
    assert found is None or found.probability(1.0, 1800, 0.5) < 0.2  # the last of a curve that flattens is a line


def test_gaps_do_not_matter() -> None:
    values = np.full(60, np.nan)
    values[5::6] = np.linspace(0.1, 0.6, 10)  # one value a minute
    found = ramp.find(values, STEP)
    assert found is not None
    assert found.seconds_to(1.0)[0] == pytest.approx(432, rel=0.05)


def test_a_trend_is_believed_as_far_ahead_as_it_has_lasted() -> None:
    values = np.linspace(0.2, 0.4, 21)
    found = ramp.find(values, STEP)
    assert found is not None
    assert found.probability(1.0, 3600, 0.5) == pytest.approx(0.5, abs=0.02)  # a quarter of the way is done
    assert found.probability(0.6, 3600, 0.5) > 0.7
    assert found.probability(1.0, 300, 0.5) < 0.02  # not within five minutes
