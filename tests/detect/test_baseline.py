"""The statistics behind the scores, against closed forms and simulation."""

import math
import random
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logsense.detect.baseline import CountModel, CountState, Inflation, Season, gpd_tail, nb_tail, silence_score


def exact_tail(count: int, mean: float, variance: float) -> float:
    size = mean * mean / (variance - mean)
    p = size / (size + mean)
    below = sum(
        math.exp(
            math.lgamma(k + size) - math.lgamma(size) - math.lgamma(k + 1) + size * math.log(p) + k * math.log1p(-p)
        )
        for k in range(count)
    )
    return 1 - below


@pytest.mark.parametrize(("count", "mean", "variance"), [(1, 0.01, 0.02), (5, 1, 3), (40, 10, 30), (300, 100, 900)])
def test_nb_tail_agrees_with_the_sum(count, mean, variance):
    assert nb_tail(count, mean, variance) == pytest.approx(-math.log10(exact_tail(count, mean, variance)), abs=0.02)


@given(st.floats(0, 1e9), st.floats(1e-9, 1e9), st.floats(1.0001, 1e3))
def test_nb_tail_is_finite_and_grows_with_the_count(count, mean, ratio):
    one, two = nb_tail(count, mean, mean * ratio), nb_tail(count * 1.5 + 1, mean, mean * ratio)
    assert 0 <= one <= 300 and 0 <= two <= 300
    assert two >= one - 0.05


def test_scores_of_bursty_counts_are_calibrated():
    """Negative-binomial counts, five times over-dispersed: no more exceedances than the score promises."""
    rng, model, state = random.Random(5), CountModel(), CountState()
    over = 0
    for number in range(6000):
        rate = rng.gammavariate(2.5, 4.0)
        count = sum(1 for _ in range(200) if rng.random() < rate / 200)
        if number > 50:
            total, square = state.decayed(number, 0.998)
            mean, variance = model.predict(total, square, min(number, 500), 0.1)
            over += nb_tail(count, mean, variance) >= 2
        total, square = state.decayed(number, 0.998)
        state.total, state.square, state.seen = total + count, square + count * count, number
    assert over / 6000 < 0.02


def test_silence_grows_beyond_the_longest_pause_only():
    state = CountState(gaps=100, gap_sum=600, gap_max=8)
    assert silence_score(8, state) == 0
    assert 2 < silence_score(9, state) < silence_score(20, state) < silence_score(60, state)
    assert silence_score(60, CountState(gaps=5, gap_sum=5, gap_max=1)) == 0


def test_gpd_tail_starts_at_its_entry_and_is_heavier_than_exponential():
    assert gpd_tail(0, 1) == 0
    assert gpd_tail(1e-9, 1) == pytest.approx(1.0)
    assert gpd_tail(20, 1) < 1 + 20 / math.log(10)


def test_inflation_divides_scores_that_are_too_bold_and_never_sharpens():
    timid, bold = Inflation(), Inflation()
    for _ in range(200):
        timid.learn([0.1] * 10, 10, 0.999)
        bold.learn([2.5] + [0.1] * 9, 10, 0.999)
    assert timid.factor() == 1
    assert 1.5 < bold.factor() <= 3


def test_season_needs_three_rounds_and_follows_the_day():
    season, day = Season(86_400), 86_400 * 1_000_000_000
    part = day // 96
    for round_ in range(4):
        if round_ < 3:
            assert season.factor("k", round_ * day) == 1.0
        for number in range(96):
            for _ in range(10):
                season.learn("k", round_ * day + number * part, 30.0 if number < 48 else 10.0)
    db, again = sqlite3.connect(":memory:"), Season(86_400)
    season.save(db, "season_test")
    again.load(db, "season_test")
    for one in (season, again):
        assert one.factor("k", 4 * day) == pytest.approx(1.5, abs=0.05)
        assert one.factor("k", 4 * day + 70 * part) == pytest.approx(0.5, abs=0.05)
    db.close()


def test_season_follows_a_bounded_number_of_keys():
    season = Season(86_400, max_keys=3)
    for number in range(10):
        season.learn(f"k{number}", 0, 1.0)
        season.learn(f"k{number}", 86_400 * 10**9, 1.0)
    assert len(season.profiles) == 3
