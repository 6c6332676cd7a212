"""The usual range that charts show: what the past makes of each point."""

from __future__ import annotations

import math
import random

from logsense.detect.band import ADOPT, WARM_UP, usual

STEP = 10 * 10**9


def course(values: list[float]) -> list[tuple[int, float]]:
    return [(at * STEP, value) for at, value in enumerate(values)]


def noise(count: int, level: float = 50.0) -> list[float]:
    rng = random.Random(3)
    return [level + rng.gauss(0, 2) for _ in range(count)]


def test_ordinary_values_lie_within_and_a_spike_does_not() -> None:
    values = [*noise(200), 95.0, *noise(20)]
    points = course(values)
    band = {at: (low, high) for at, low, high in usual("app.value", points)}
    assert min(band) >= WARM_UP * STEP  # nothing is said before there is a past
    within = sum(band[at][0] <= value <= band[at][1] for at, value in points[60:200])
    assert within > 0.9 * 140
    assert band[200 * STEP][1] < 80  # the spike is judged by what came before it


def test_an_episode_does_not_become_its_own_normal_but_a_new_level_does() -> None:
    values = [*noise(150), *noise(ADOPT + 60, level=90.0)]
    band = {at: (low, high) for at, low, high in usual("app.value", course(values))}
    begin = 150
    assert band[(begin + ADOPT - 2) * STEP][1] < 80
    assert band[(begin + ADOPT + 50) * STEP][1] > 85


def test_the_band_of_a_share_is_never_narrower_than_people_would_call_a_change() -> None:
    low, high = usual("system.cpu.utilization", course([0.2] * 60))[-1][1:]
    assert low <= 0.17
    assert high >= 0.23


def test_what_only_rises_has_no_usual_range() -> None:
    assert usual("requests_total", course([float(at * 100) for at in range(100)])) == []


def test_short_strange_and_endless_series_are_no_trouble() -> None:
    assert usual("x", []) == []
    assert usual("x", course([1.0] * WARM_UP)) == []
    odd = course([math.nan if at % 7 == 0 else math.inf if at % 11 == 0 else float(at % 5) for at in range(80)])
    assert all(math.isfinite(low) and math.isfinite(high) for _, low, high in usual("x", odd))
    same_time = [(0, float(at)) for at in range(50)]
    assert usual("x", same_time)
