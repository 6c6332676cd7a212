"""A bounded sketch of the distribution of one amount, and how far beyond it a value lies.

Amounts in logs (durations, sizes, counts) spread over decades, so they are counted in buckets of equal relative width,
as DDSketch (Masson, Rim, Lee 2019) does: any quantile is right within the width, and sketches of any history have the
same small size. What lies beyond the 98 % point is judged by peaks over threshold on the logarithm: the excess of the
past has a mean, and a value's tail is exponential in it, which is a Pareto tail of the amount itself. Heavy tails are
learnt that way instead of being alarmed about.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

LOG_WIDTH = math.log(1.05)
MAX_BUCKETS = 400  # 1.05 ** 400 is eight decades; beyond it the sparsest neighbours are merged
TAIL = 0.02
LEAST_EXCESS = math.log(1.15)  # a tail is never taken for thinner than this mean excess: 15 %
LEAST_SIZE = 1e-9
LN10 = math.log(10.0)


class Sketch:
    """Counts per bucket of the logarithm; zero and what is below it has a bucket of its own (negative: by size)."""

    __slots__ = ("_cached", "buckets", "total")

    def __init__(self) -> None:
        self.buckets: dict[int, float] = {}
        self.total = 0.0
        self._cached: dict[int, tuple[float, float]] = {}

    def add(self, values: Iterable[float], weight: float) -> None:
        """Take in a sample of values that stand for ``weight`` values in all."""
        numbers = [_bucket(value) for value in values]
        if not numbers or weight <= 0:
            return
        each = weight / len(numbers)
        for number in numbers:
            self.buckets[number] = self.buckets.get(number, 0.0) + each
        self.total += weight
        self._cached.clear()
        while len(self.buckets) > MAX_BUCKETS:
            self._shrink()
        if self.total > 1e6:  # newer values shall still count
            for number in self.buckets:
                self.buckets[number] /= 2
            self.total /= 2

    def _shrink(self) -> None:
        ordered = sorted(self.buckets)
        first, second = min(pairwise(ordered), key=lambda pair: self.buckets[pair[0]] + self.buckets[pair[1]])
        keep = max((first, second), key=lambda number: self.buckets[number])
        self.buckets[keep] += self.buckets.pop(first if keep == second else second)

    def quantile(self, share: float) -> float:
        """The value that ``share`` of the values do not exceed, within the width of a bucket."""
        wanted, seen = share * self.total, 0.0
        number = 0
        for number in sorted(self.buckets):
            seen += self.buckets[number]
            if seen >= wanted:
                break
        return _value(number)

    def tail(self, value: float, count: int, *, upwards: bool = True) -> float:
        """-log10 P(one of ``count`` values lies at ``value`` or beyond); 0 within the usual range."""
        sign = 1 if upwards else -1
        if sign not in self._cached:
            self._cached[sign] = self._shape(sign)
        edge, excess = self._cached[sign]
        beyond = (_bucket(value) * sign - edge) * LOG_WIDTH
        if beyond <= 0:
            return 0.0
        single = -math.log10(TAIL) + beyond / excess / LN10
        # the more values the past has, the surer it is that its tail was seen; few values cannot prove much
        return max(0.0, min(single, math.log10(self.total + 1.0) * 2.0) - math.log10(max(count, 1)))

    def _shape(self, sign: int) -> tuple[float, float]:
        """(bucket of the edge of the tail, mean excess beyond it in logarithms)."""
        ordered = sorted(self.buckets, key=lambda number: number * sign)
        seen, inside = 0.0, 0
        while inside < len(ordered) and seen < (1 - TAIL) * self.total:
            seen += self.buckets[ordered[inside]]
            inside += 1
        edge = ordered[max(inside - 1, 0)] * sign if ordered else 0
        beyond = [(number * sign - edge, self.buckets[number]) for number in ordered[inside:]]
        mass = sum(weight for _, weight in beyond)
        mean = sum(far * weight for far, weight in beyond) / mass * LOG_WIDTH if mass else 0.0
        # the spread of the middle is the least that the tail has, too: where nothing was beyond, nobody knows it
        middle = [number for number in ordered if self.buckets[number] > 0]
        spread = (self._at(0.98) - self._at(0.5)) * LOG_WIDTH / 4 if middle else 0.0
        return float(edge), max(mean, spread, LEAST_EXCESS)

    def _at(self, share: float) -> int:
        return _bucket(self.quantile(share))

    def state(self) -> list[Any]:
        return [self.total, [[number, round(weight, 3)] for number, weight in self.buckets.items()]]

    @classmethod
    def of(cls, state: list[Any]) -> Sketch:
        sketch = cls()
        sketch.total, sketch.buckets = state[0], {int(number): weight for number, weight in state[1]}
        return sketch


def _bucket(value: float) -> int:
    size = math.log(max(abs(value), LEAST_SIZE) / LEAST_SIZE) / LOG_WIDTH
    return round(size) if value >= 0 else -round(size)


def _value(number: int) -> float:
    size = math.exp(abs(number) * LOG_WIDTH) * LEAST_SIZE
    return 0.0 if number == 0 else math.copysign(size, number)
