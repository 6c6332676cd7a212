"""Change points: where they are, how surely, and that noise has none."""

import random

import pytest

from logsense.rootcause.onsets import Onset, onset

S = 1_000_000_000


def stepped(seed: int, step: float, *, at: int = 60, count: int = 90, every: int = 2):
    rng = random.Random(seed)
    return [(n * every * S, rng.gauss(5 + step * (n >= at), 1)) for n in range(count)]


@pytest.mark.parametrize("seed", range(8))
def test_a_clear_change_is_found_within_its_interval(seed):
    found = onset(stepped(seed, 6))
    assert found is not None
    assert found.early_ns <= 120 * S <= found.late_ns
    assert abs(found.at_ns - 120 * S) <= 6 * S


def test_a_faint_change_is_known_less_surely_than_a_clear_one():
    clear, faint = onset(stepped(1, 8)), onset(stepped(1, 1.5))
    assert clear and faint
    assert faint.late_ns - faint.early_ns > clear.late_ns - clear.early_ns


def test_the_interval_holds_the_change_nearly_always():
    kept = [found.early_ns <= 120 * S <= found.late_ns for seed in range(200) if (found := onset(stepped(seed, 2)))]
    assert len(kept) > 150
    assert sum(kept) / len(kept) >= 0.9


def test_noise_and_constants_have_no_onset():
    assert sum(onset(stepped(seed, 0)) is not None for seed in range(100)) <= 3
    assert onset([(n * S, 4.0) for n in range(50)]) is None
    assert onset(stepped(1, 9, at=2, count=5)) is None


def test_outliers_move_nothing():
    points = stepped(3, 5)
    points[10] = (points[10][0], 1e9)
    found = onset(points)
    assert found and abs(found.at_ns - 120 * S) <= 6 * S


def test_earlier_is_said_only_where_it_is_sure():
    one, two, three = Onset(10, 8, 12), Onset(20, 18, 25), Onset(13, 11, 30)
    assert one.before(two) and not two.before(one)
    assert not one.before(three) and not three.before(one)
