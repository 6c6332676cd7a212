"""Scores against scikit-learn and against hand-made cases."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss

from logsense.lifecycle.drift import psi
from logsense.lifecycle.scores import average_precision, bootstrap, brier, reliability


@pytest.mark.parametrize("decimals", [1, 6])
def test_average_precision_and_brier_agree_with_scikit_learn(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    for _ in range(20):
        y = (rng.random(200) < 0.2).astype(np.int8)
        score = np.round(rng.random(200) * 0.7 + 0.3 * y, decimals)
        weight = rng.integers(0, 4, 200).astype(float)
        assert average_precision(y, score) == pytest.approx(average_precision_score(y, score))
        assert average_precision(y, score, weight) == pytest.approx(
            average_precision_score(y, score, sample_weight=weight)
        )
        assert brier(y, np.clip(score, 0, 1)) == pytest.approx(brier_score_loss(y, np.clip(score, 0, 1)))


def test_scores_without_data() -> None:
    empty = np.zeros(0)
    assert np.isnan(average_precision(empty.astype(np.int8), empty))
    assert np.isnan(average_precision(np.zeros(5, np.int8), np.ones(5)))
    assert np.isnan(brier(empty.astype(np.int8), empty))


def test_intervals_are_wide_when_failures_are_few_however_many_steps_precede_them() -> None:
    rng = np.random.default_rng(0)

    def width(onsets: int, steps: int) -> float:
        onset = np.concatenate([np.repeat(np.arange(onsets), steps), np.full(2000, -1)])
        good = rng.random(onsets) < 0.5  # half of the failures are seen at all their steps, half at none
        score = np.concatenate([np.repeat(good, steps) * 1.0, np.zeros(2000)])
        y = (onset >= 0).astype(np.int8)
        low, high = bootstrap(lambda w: brier(y, score, w), onset, np.arange(len(y)) // 50)
        return high - low

    assert width(6, 60) > 2 * width(60, 6)


def test_reliability_bins_hold_all_steps() -> None:
    p = np.array([0.0, 0.01, 0.5, 0.55, 1.0])
    rows = reliability(np.array([0, 0, 1, 0, 1], np.int8), p)
    assert sum(r["steps"] for r in rows) == 5
    assert rows[1] == {"forecast": 0.525, "observed": 0.5, "steps": 2}


def test_psi_is_zero_for_the_same_and_large_for_another_distribution() -> None:
    a = np.array([[0.5, 0.5, 0.0], [0.9, 0.1, 0.0]])
    b = np.array([[0.5, 0.5, 0.0], [0.1, 0.1, 0.8]])
    same, other = psi(a, b)
    assert same == pytest.approx(0)
    assert other > 1
