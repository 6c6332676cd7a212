"""Whether a message comes more or less often than before, or began or ceased."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: -log10 of the chance that so large a difference comes by itself. One in a million: thousands of templates are
#: compared at once.
NEEDED = 6.0
#: A change of the rate by less than this factor is of no interest, however certain it is.
FACTOR = 2.0


@dataclass(frozen=True, slots=True)
class Drift:
    """``kind``: new, vanished or changed. Counts are lines, rates lines a second; ``score`` as ``NEEDED`` says."""

    kind: str
    before: int
    after: int
    rate_before: float
    rate_after: float
    score: float


def drift(before: Sequence[int], after: Sequence[int], step_before_s: float, step_after_s: float) -> Drift | None:
    """Compare the counts per step of two times; None where they do not differ.

    Counts are taken as over-dispersed Poisson: the difference of the logarithms of the two rates over its standard
    error, with the variance of the steps as it is seen (McCullagh & Nelder 1989, section 6.2.4). A message that is
    new needs no certainty: it was never there before.
    """
    n_before, n_after = sum(before), sum(after)
    time_before, time_after = len(before) * step_before_s, len(after) * step_after_s
    rate_before, rate_after = n_before / time_before, n_after / time_after
    if not n_before and not n_after:
        return None
    spread = max(1.0, _dispersion(before), _dispersion(after))
    if not n_before:
        return Drift("new", 0, n_after, 0.0, rate_after, _one_sided(n_after, spread, time_before, time_after))
    if not n_after:
        score = _one_sided(n_before, spread, time_after, time_before)
        return Drift("vanished", n_before, 0, rate_before, 0.0, score) if score >= NEEDED else None
    change = math.log(rate_after / rate_before)
    score = _normal_tail(abs(change) / math.sqrt(spread * (1 / n_before + 1 / n_after)))
    if score < NEEDED or abs(change) < math.log(FACTOR):
        return None
    return Drift("changed", n_before, n_after, rate_before, rate_after, score)


def _one_sided(lines: int, spread: float, time_without_s: float, time_with_s: float) -> float:
    """-log10 of the chance that all lines of one rate fall into the same of two times."""
    return lines / spread * math.log10((time_without_s + time_with_s) / time_with_s)


def _dispersion(counts: Sequence[int]) -> float:
    """Variance over mean of the steps; 1 for independent events."""
    if len(counts) < 2 or not any(counts):
        return 1.0
    mean = sum(counts) / len(counts)
    return sum((n - mean) ** 2 for n in counts) / (len(counts) - 1) / mean


def _normal_tail(errors: float) -> float:
    """-log10 of the chance to be so many standard errors off, either way."""
    if errors < 30:
        return -math.log10(math.erfc(errors / math.sqrt(2)))
    return errors * errors / 2 / math.log(10)
