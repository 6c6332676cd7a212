"""When something changed, and how surely that is known: a change point with its interval.

One change of the mean of the ranks of the values (so neither unit nor outliers matter) at an unknown place, by the
profile likelihood over all places; the interval holds 95 % of the weight that the likelihood gives to the places
(flat prior; Smith, Biometrika 1975). What is seen once a minute is known to a minute, and that says so: an order of
onsets is used only where the intervals do not overlap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEAST_POINTS = 8
LEAST_SIDE = 3  # values on each side of a change
LEAST_GAIN = 10.0  # of twice the log likelihood, beyond two for each doubling of the places looked at
SURE = 0.95


@dataclass(frozen=True, slots=True)
class Onset:
    """The change is at ``at_ns``, within ``early_ns`` … ``late_ns`` with a probability of 95 %."""

    at_ns: int
    early_ns: int
    late_ns: int

    def before(self, other: Onset) -> bool:
        """Whether it is surely earlier."""
        return self.late_ns < other.early_ns


def onset(points: Sequence[tuple[int, float]]) -> Onset | None:
    """Of (time, value) in time order; None where they are few or nothing changed clearly."""
    count = len(points)
    if count < LEAST_POINTS:
        return None
    ranks = _ranks([value for _, value in points])
    total = sum(rank * rank for rank in ranks)
    if not total:
        return None
    gains: list[tuple[int, float]] = []
    left = 0.0
    for cut in range(1, count):
        left += ranks[cut - 1]
        if LEAST_SIDE <= cut <= count - LEAST_SIDE:
            between = left * left * count / (cut * (count - cut))  # ranks are centred: what the two means explain
            gains.append((cut, -count * math.log(max(1 - between / total, 1e-12))))
    best, most = max(gains, key=lambda one: one[1])
    if most < LEAST_GAIN + 2 * math.log2(count):
        return None
    weights = [(cut, math.exp((gain - most) / 2)) for cut, gain in gains]
    whole = sum(weight for _, weight in weights)
    low, high = _quantile(weights, (1 - SURE) / 2 * whole), _quantile(weights, (1 + SURE) / 2 * whole)
    # the change lies between the last value before and the first after
    return Onset(points[best][0], points[low - 1][0], points[high][0])


def _quantile(weights: Sequence[tuple[int, float]], bar: float) -> int:
    seen = 0.0
    for cut, weight in weights:
        seen += weight
        if seen >= bar:
            return cut
    return weights[-1][0]


def _ranks(values: Sequence[float]) -> list[float]:
    """Mid-ranks around 0."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    at = 0
    while at < len(order):
        end = at
        while end + 1 < len(order) and values[order[end + 1]] == values[order[at]]:
            end += 1
        for place in order[at : end + 1]:
            ranks[place] = (at + end) / 2 - (len(values) - 1) / 2
        at = end + 1
    return ranks
