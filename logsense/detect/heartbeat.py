"""Silence: how improbable it is that a message which came regularly is missing for so long.

Anything that came often has a longest pause, beyond which the tail is taken for exponential. A *heartbeat*, whose
pauses hardly vary, has a period as well: its tail is as narrow as its pauses are regular, so it is missed after two
periods and a window instead of eight or ten. One lost beat alone says nothing.
"""

from __future__ import annotations

import math

from logsense.detect.baseline import LOG10, CountState, silence_score

REGULAR = 0.25  # relative deviation of the pauses up to which they are a period
LEAST = 20  # pauses


def overdue_score(gap: int, state: CountState) -> float:
    """-log10 P(no occurrence for ``gap`` windows); 0 while that is within what was seen."""
    usual = silence_score(gap, state)
    period = period_of(state)
    if period is None or gap <= max(2.0 * period + 1.0, state.gap_max):
        return usual
    scale = max(_deviation(state), (state.gap_max - period) / 2.0, 0.5)
    return max(usual, math.log10(state.gaps + 1.0) + (gap - state.gap_max) / scale / LOG10)


def period_of(state: CountState) -> float | None:
    """The usual distance in windows of a message that comes periodically; None for all others."""
    if state.gaps < LEAST or not state.gap_square:
        return None
    mean = state.gap_sum / state.gaps
    # windows round a pause up or down, which is no irregularity
    return mean if _deviation(state) <= max(REGULAR * mean, 0.6) and state.gap_max <= 2.0 * mean + 1.0 else None


def _deviation(state: CountState) -> float:
    mean = state.gap_sum / state.gaps
    return math.sqrt(max(state.gap_square / state.gaps - mean * mean, 0.0))
