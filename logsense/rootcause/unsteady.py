"""How much something varies by itself, from one part of the normal time to the next.

What comes and goes in bursts differs between any two minutes; taken for independent it looks like a change each time.
The dispersion of quasi-likelihood (McCullagh and Nelder, Generalized Linear Models, 1989, 4.5) says by how many times
a statistic is then too large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LEAST_PARTS = 4


def dispersion(parts: Sequence[Mapping[Any, float]]) -> float:
    """Of counts by outcome in parts of the time: Pearson's statistic over its degrees of freedom, 1 or more.

    It is the least of those without one part. Something that happened once may be the trouble itself, which hardly
    ever begins as late as somebody notices, or an earlier one; what happened twice comes and goes.
    """
    held = [part for part in parts if part]
    if len(held) < LEAST_PARTS or _ratio(held) <= 1.0:
        return 1.0
    return max(1.0, min(_ratio([*held[:n], *held[n + 1 :]]) for n in range(len(held))))


def _ratio(parts: Sequence[Mapping[Any, float]]) -> float:
    whole: dict[Any, float] = {}
    for part in parts:
        for outcome, seen in part.items():
            whole[outcome] = whole.get(outcome, 0.0) + seen
    if len(whole) < 2:
        return 1.0
    # the sum of (seen - expected)^2 / expected is total * (sum of seen^2 / (row * column) - 1)
    squares = sum(seen * seen / (sum(part.values()) * whole[to]) for part in parts for to, seen in part.items())
    return sum(whole.values()) * (squares - 1) / ((len(parts) - 1) * (len(whole) - 1))
